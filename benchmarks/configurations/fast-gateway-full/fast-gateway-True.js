
const gateway = require('fast-gateway')
const verify = require('fast-jwt').createVerifier({ key: `PUBLIC KEY
`, cache: true, algorithms: ['RS256'] })
const log = require('fs').createWriteStream('DIRECTORY/fast-gateway-access.log')
const counters = new Map()
function deny (res, status) { res.statusCode = status; res.end() }
function admit (req, res, next) {
  const key = req.headers['ocp-apim-subscription-key']
  if (key !== '0123456789abcdef0123456789abcdef') return deny(res, 401)
  const count = (counters.get(key) || 0) + 1
  counters.set(key, count)
  if (count > 1e9) return deny(res, 429)
  try { verify((req.headers.authorization || '').slice(7)) } catch (problem) { return deny(res, 401) }
  req.headers['x-tenant'] = 'contoso'
  req.headers['x-api'] = 'full'
  res.setHeader('X-Served-By', 'fast-gateway')
  const began = process.hrtime.bigint()
  res.on('finish', () => {
    const spent = process.hrtime.bigint() - began
    log.write(`${new Date().toISOString()} ${req.method} ${req.url} ${res.statusCode} ${spent}\n`)
  })
  return next()
}
const routes = [{ prefix: '', pathRegex: '*', target: 'http://127.0.0.1:BACKEND' }]
gateway({ middlewares: [admit], routes }).start(PORT, '127.0.0.1')

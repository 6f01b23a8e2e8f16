
const gateway = require('fast-gateway')
const routes = [{ prefix: '', pathRegex: '*', target: 'http://127.0.0.1:BACKEND' }]
gateway({ routes }).start(PORT, '127.0.0.1')

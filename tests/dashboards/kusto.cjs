// Reads queries as Azure would: node kusto.cjs FOLDER < {"tables": {name: "(a:string, ...)"}, "queries": [...]}
// FOLDER has node_modules with Microsoft's Kusto language service. Prints [[what is wrong, ...], ...], one for each query.
const fs = require("node:fs");
const path = require("node:path");
const vm = require("node:vm");

const library = path.join(process.argv[2], "node_modules", "@kusto", "language-service-next");
for (const name of ["bridge.min.js", "Kusto.Language.Bridge.min.js"])
  vm.runInThisContext(fs.readFileSync(path.join(library, name), "utf8"), { filename: name });

const { TableSymbol, DatabaseSymbol } = Kusto.Language.Symbols;
const { tables, queries } = JSON.parse(fs.readFileSync(0, "utf8"));
const known = Object.entries(tables).map(([name, columns]) => TableSymbol.From(columns).WithName(name));
const globals = Kusto.Language.GlobalState.Default.WithDatabase(new DatabaseSymbol.ctor("db", known));
const wrong = queries.map((query) => {
  const found = Kusto.Language.KustoCode.ParseAndAnalyze(query, globals).GetDiagnostics();
  const messages = [];
  for (let at = 0; at < found.Count; at++) messages.push(found.getItem(at).Message);
  return messages;
});
console.log(JSON.stringify(wrong));

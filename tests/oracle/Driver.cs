// Compiles every case of a file with Roslyn, runs it, and writes what came out.
// in:  records separated by U+001E, each "E" or "B" (expression or body) and the C# text
// out: records separated by U+001E, each fields separated by U+001F: "value", type, text | "null" | "throws", type, message | "refused", message
using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Reflection;
using System.Text;
using System.Threading;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;

public static class Driver
{
    const string Usings = "using System; using System.Collections.Generic; using System.IO; using System.Linq; using System.Net; using System.Security.Cryptography; using System.Security.Cryptography.X509Certificates; using System.Text; using System.Text.RegularExpressions; using System.Xml.Linq; using XmlNodeType = System.Xml.XmlNodeType; using Newtonsoft.Json; using Newtonsoft.Json.Linq;\n";

    public static int Main(string[] args)
    {
        CultureInfo.DefaultThreadCurrentCulture = CultureInfo.InvariantCulture;
        Thread.CurrentThread.CurrentCulture = CultureInfo.InvariantCulture;
        Thread.CurrentThread.CurrentUICulture = CultureInfo.InvariantCulture;
        var cases = File.ReadAllText(args[0]).Split('\u001e');
        var answers = new string[cases.Length];
        var parse = new CSharpParseOptions(LanguageVersion.CSharp7_3);
        var trees = new Dictionary<SyntaxTree, int>();
        var order = new List<SyntaxTree>();
        for (int i = 0; i < cases.Length; i++)
        {
            var text = cases[i].Substring(1);
            var body = cases[i][0] == 'B' ? text : "{ return (" + text + "); }";
            var tree = CSharpSyntaxTree.ParseText(Usings + "public class Case" + i + " { public static object Run(Context context) " + body + "}", parse);
            trees[tree] = i;
            order.Add(tree);
        }
        var model = CSharpSyntaxTree.ParseText(File.ReadAllText(args[1]), parse);
        var references = ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")).Split(':')
            .Where(p => p.EndsWith(".dll") && !Path.GetFileName(p).StartsWith("Microsoft.CodeAnalysis") && !p.EndsWith("Driver.dll"))
            .Select(p => (MetadataReference)MetadataReference.CreateFromFile(p)).ToList();
        var options = new CSharpCompilationOptions(OutputKind.DynamicallyLinkedLibrary);
        Assembly made = null;
        while (made == null)
        {
            var compilation = CSharpCompilation.Create("Cases", order.Concat(new[] { model }), references, options);
            var stream = new MemoryStream();
            var result = compilation.Emit(stream);
            if (result.Success) { made = Assembly.Load(stream.ToArray()); break; }
            bool removed = false;
            foreach (var finding in result.Diagnostics.Where(d => d.Severity == DiagnosticSeverity.Error))
            {
                int i;
                if (finding.Location.SourceTree == null || !trees.TryGetValue(finding.Location.SourceTree, out i))
                    throw new Exception(finding.ToString());
                if (answers[i] == null) answers[i] = "refused\u001f" + finding.Id + " " + finding.GetMessage(CultureInfo.InvariantCulture);
                if (order.Remove(finding.Location.SourceTree)) removed = true;
            }
            if (!removed) throw new Exception("no progress");
        }
        for (int i = 0; i < cases.Length; i++)
        {
            if (answers[i] != null) continue;
            var run = made.GetType("Case" + i).GetMethod("Run");
            try
            {
                var value = run.Invoke(null, new object[] { made.GetType("Context").GetMethod("Make").Invoke(null, null) });
                answers[i] = value == null ? "null" : "value\u001f" + value.GetType() + "\u001f" + value;
            }
            catch (TargetInvocationException error)
            {
                answers[i] = "throws\u001f" + error.InnerException.GetType() + "\u001f" + error.InnerException.Message;
            }
        }
        File.WriteAllText(args[2], string.Join("\u001e", answers), new UTF8Encoding(false, false));
        return 0;
    }
}

// A small model of `context`: the request and the variables that tests/expressions/conftest.py sets up by default.
using System;
using System.Collections.Generic;
using System.Linq;

public class Context
{
    public Request Request = new Request();
    public Dictionary<string, object> Variables = new Dictionary<string, object>();
    public static object Make() { return new Context(); }
}

public class Request
{
    public string Method = "GET";
    public Dictionary<string, string> MatchedParameters = new Dictionary<string, string> { { "id", "7" } };
    public Url OriginalUrl = new Url();
}

public class Url
{
    public string Scheme = "https", Host = "gateway.example", Path = "/shop/orders/7", QueryString = "?a=1&b=2&a=3";
    public Dictionary<string, string[]> Query = new Dictionary<string, string[]> {
        { "a", new[] { "1", "3" } }, { "b", new[] { "2" } } };
}

public static class ContextExtensions
{
    public static string GetValueOrDefault(this IDictionary<string, string[]> values, string name, string or = null)
    { return values.ContainsKey(name) ? string.Join(",", values[name]) : or; }
    public static string GetValueOrDefault(this IDictionary<string, string> values, string name, string or = null)
    { return values.ContainsKey(name) ? values[name] : or; }
    public static T GetValueOrDefault<T>(this IDictionary<string, object> values, string name, T or = default(T))
    { return values.ContainsKey(name) ? (T)values[name] : or; }
}

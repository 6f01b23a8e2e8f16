// A model of `context` as the documentation declares it, with the request and resources of tests/expressions/conftest.py.
// Setup takes what a row of the tables says under `with`.
using System;
using System.Collections;
using System.Collections.Generic;
using System.Globalization;
using System.Linq;
using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Xml.Linq;
using Newtonsoft.Json.Linq;

public enum ProductState { NotPublished, Published }
public enum BackendType { Single, Pool }
public enum CarbonIntensityCategory { NotAvailable, VeryLow, Low, Medium, High, VeryHigh }

public interface IApi { string Id { get; } string Name { get; } string Path { get; } string Revision { get; }
    string Version { get; } bool IsCurrentRevision { get; } IUrl ServiceUrl { get; } IEnumerable<string> Protocols { get; }
    SubscriptionKeyParameterNames SubscriptionKeyParameterNames { get; } }
public interface IGroup { string Id { get; } string Name { get; } }
public interface IUserIdentity { string Id { get; } string Provider { get; } }
public interface IUrl { string Host { get; } string Path { get; } int Port { get; } string QueryString { get; }
    string Scheme { get; } IReadOnlyDictionary<string, string[]> Query { get; } Uri ToUri(); }
public interface IMessageBody { T As<T>(bool preserveContent = false);
    IDictionary<string, IList<string>> AsFormUrlEncodedContent(bool preserveContent = false); }
public interface IResponse { int StatusCode { get; } string StatusReason { get; }
    IReadOnlyDictionary<string, string[]> Headers { get; } IMessageBody Body { get; } }

public class Context
{
    static readonly DateTime Now = new DateTime(2026, 3, 5, 14, 7, 9, DateTimeKind.Utc).AddTicks(1234560);
    public Api Api { get; } = new Api();
    public Backend Backend { get; }
    public Deployment Deployment { get; } = new Deployment();
    public TimeSpan Elapsed { get; } = TimeSpan.FromSeconds(2.5);
    public GraphQL GraphQL { get; }
    public LastError LastError { get; private set; }
    public Operation Operation { get; } = new Operation();
    public Product Product { get; private set; } = new Product();
    public Request Request { get; } = new Request();
    public Guid RequestId { get; } = new Guid("11111111-2222-4333-8444-555555555555");
    public IResponse Response { get; private set; }
    public Subscription Subscription { get; private set; } = new Subscription(Now);
    public DateTime Timestamp { get; } = Now;
    public bool Tracing { get; }
    public User User { get; private set; } = new User(Now);
    public Variables Variables { get; } = new Variables();
    public Workspace Workspace { get; }
    public void Trace(string message) { }
    public static object Make() { return new Context(); }

    public void Setup(string text)
    {
        var with = JObject.Parse(text);
        if (with["anonymous"] != null) { Product = null; Subscription = null; User = null; }
        if (with["method"] != null) Request.Method = (string)with["method"];
        if (with["url"] != null) Request.OriginalUrl = new Url((string)with["url"]);
        if (with["headers"] != null) Request.Headers = Fields(with["headers"]);
        if (with["body"] != null) Request.Body = new Body((string)with["body"]);
        if (with["matched"] != null) Request.MatchedParameters = with["matched"].ToObject<Dictionary<string, string>>();
        if (with["error"] != null) LastError = new LastError((string)with["error"]);
        if (with["status"] != null)
            Response = new Response((int)with["status"], (string)with["reason"] ?? "OK",
                Fields(with["response_headers"] ?? new JObject()), new Body((string)with["response_body"] ?? ""));
    }

    static IReadOnlyDictionary<string, string[]> Fields(JToken fields)
    {
        return ((JObject)fields).Properties().GroupBy(p => p.Name, StringComparer.OrdinalIgnoreCase).ToDictionary(g => g.Key,
            g => g.SelectMany(p => p.Value is JArray ? p.Value.Select(v => (string)v) : new[] { (string)p.Value }).ToArray(),
            StringComparer.OrdinalIgnoreCase);
    }
}

public class SubscriptionKeyParameterNames
{
    public string Header { get; } = "Ocp-Apim-Subscription-Key";
    public string Query { get; } = "subscription-key";
}

public class Api : IApi
{
    public string Id { get; } = "shop";
    public string Name { get; } = "Shop API";
    public string Path { get; } = "shop";
    public string Revision { get; } = "2";
    public string Version { get; } = "v1";
    public bool IsCurrentRevision { get; } = true;
    public IUrl ServiceUrl { get; } = new Url("https://backend.example/v1");
    public IEnumerable<string> Protocols { get; } = new[] { "https" };
    public SubscriptionKeyParameterNames SubscriptionKeyParameterNames { get; } = new SubscriptionKeyParameterNames();
}

public class Backend { public string Id { get; } public string AzureRegion { get; } public BackendType Type { get; } }
public class Gateway { public string Id { get; } = "gw-1"; public string InstanceId { get; } = "pod-1"; public bool IsManaged { get; } }
public class Sustainability { public CarbonIntensityCategory CurrentCarbonIntensity { get; } }
public class Workspace { public string Id { get; } public string Name { get; } }
public class GraphQL
{
    public IReadOnlyDictionary<string, object> Arguments { get; }
    public IReadOnlyDictionary<string, object> Parent { get; }
}

public class Deployment
{
    public Gateway Gateway { get; } = new Gateway();
    public string GatewayId { get; } = "gw-1";
    public string Region { get; } = "West Europe";
    public string ServiceId { get; } = "svc-id";
    public string ServiceName { get; } = "contoso";
    public Sustainability SustainabilityInfo { get; } = new Sustainability();
    public IReadOnlyDictionary<string, X509Certificate2> Certificates { get; } = new Dictionary<string, X509Certificate2>();
}

public class LastError
{
    public LastError(string message) { Message = message; }
    public string Source { get; } = "set-header";
    public string Reason { get; } = "Why";
    public string Message { get; }
    public string Scope { get; } = "api";
    public string Section { get; } = "inbound";
    public string Path { get; } = "set-header[1]";
    public string PolicyId { get; } = "p1";
}

public class Operation
{
    public string Id { get; } = "get-order";
    public string Method { get; } = "GET";
    public string Name { get; } = "Get order";
    public string UrlTemplate { get; } = "/orders/{id}";
}

public class Group : IGroup
{
    public Group(string id, string name) { Id = id; Name = name; }
    public string Id { get; }
    public string Name { get; }
    public static readonly IEnumerable<IGroup> All = new List<IGroup> {
        new Group("developers", "Developers"), new Group("admins", "Administrators") };
}

public class Product
{
    public string Id { get; } = "starter";
    public string Name { get; } = "Starter";
    public bool ApprovalRequired { get; }
    public bool SubscriptionRequired { get; } = true;
    public IEnumerable<IGroup> Groups { get; } = Group.All;
    public ProductState State { get; } = ProductState.Published;
    public int? SubscriptionsLimit { get; }
    public int? SubscriptionLimit { get; }
}

public class Subscription
{
    public Subscription(DateTime created) { CreatedDate = created; }
    public DateTime CreatedDate { get; }
    public DateTime? EndDate { get; }
    public DateTime? StartDate { get; }
    public string Id { get; } = "sub-1";
    public string Key { get; } = "k1";
    public string Name { get; } = "First";
    public string PrimaryKey { get; } = "k1";
    public string SecondaryKey { get; } = "k2";
}

public class Identity : IUserIdentity { public string Id { get; } = "ada"; public string Provider { get; } = "Azure"; }

public class User
{
    public User(DateTime registered) { RegistrationDate = registered; }
    public string Id { get; } = "u-1";
    public string Email { get; } = "ada@example.com";
    public string FirstName { get; } = "Ada";
    public string LastName { get; } = "Lovelace";
    public string Note { get; } = "";
    public DateTime RegistrationDate { get; }
    public IEnumerable<IGroup> Groups { get; } = Group.All;
    public IEnumerable<IUserIdentity> Identities { get; } = new List<IUserIdentity> { new Identity() };
}

public class PrivateEndpointConnection
{
    public string Name { get; }
    public string GroupId { get; }
    public string MemberName { get; }
}

public class Request
{
    public string Method { get; set; } = "GET";
    public string IpAddress { get; } = "203.0.113.9";
    public IReadOnlyDictionary<string, string> MatchedParameters { get; set; } = new Dictionary<string, string> { { "id", "7" } };
    public IReadOnlyDictionary<string, string[]> Headers { get; set; } = new Dictionary<string, string[]>();
    public IMessageBody Body { get; set; }
    public IUrl OriginalUrl { get; set; } = new Url("https://gateway.example:8443/shop/orders/7?a=1&b=2&a=3");
    public IUrl Url { get { return new Url("https://backend.example/orders/7" + OriginalUrl.QueryString); } }
    public X509Certificate2 Certificate { get; }
    public PrivateEndpointConnection PrivateEndpointConnection { get; }
}

public class Response : IResponse
{
    public Response(int code, string reason, IReadOnlyDictionary<string, string[]> headers, IMessageBody body)
    { StatusCode = code; StatusReason = reason; Headers = headers; Body = body; }
    public int StatusCode { get; }
    public string StatusReason { get; }
    public IReadOnlyDictionary<string, string[]> Headers { get; }
    public IMessageBody Body { get; }
}

public class Url : IUrl
{
    readonly Uri uri;
    public Url(string text) { uri = new Uri(text); }
    public string Scheme { get { return uri.Scheme; } }
    public string Host { get { return uri.Host; } }
    public int Port { get { return uri.Port; } }
    public string Path { get { return uri.AbsolutePath; } }
    public string QueryString { get { return uri.Query; } }
    public IReadOnlyDictionary<string, string[]> Query { get {
        return uri.Query.TrimStart('?').Split(new[] { '&' }, StringSplitOptions.RemoveEmptyEntries).Select(p => p.Split('='))
            .GroupBy(p => WebUtility.UrlDecode(p[0]), StringComparer.OrdinalIgnoreCase).ToDictionary(g => g.Key,
                g => g.Select(p => p.Length > 1 ? WebUtility.UrlDecode(p[1]) : "").ToArray(), StringComparer.OrdinalIgnoreCase);
    } }
    public Uri ToUri() { return uri; }
    public override string ToString() { return uri.OriginalString; }
}

public class Body : IMessageBody
{
    readonly string text;
    bool read;
    public Body(string text) { this.text = text; }
    string Take(bool preserve)
    {
        if (read) throw new InvalidOperationException(
            "Message body has already been read; use preserveContent: true to read it more than once.");
        read = !preserve;
        return text;
    }
    public T As<T>(bool preserveContent = false)
    {
        var content = Take(preserveContent);
        object made = typeof(T) == typeof(string) ? content : typeof(T) == typeof(byte[]) ? Encoding.UTF8.GetBytes(content)
            : typeof(T) == typeof(JObject) ? JObject.Parse(content) : typeof(T) == typeof(JArray) ? JArray.Parse(content)
            : typeof(T) == typeof(JToken) ? JToken.Parse(content) : typeof(T) == typeof(XDocument) ? XDocument.Parse(content)
            : (object)XElement.Parse(content);
        return (T)made;
    }
    public IDictionary<string, IList<string>> AsFormUrlEncodedContent(bool preserveContent = false)
    {
        return Take(preserveContent).Split(new[] { '&' }, StringSplitOptions.RemoveEmptyEntries).Select(p => p.Split('='))
            .GroupBy(p => WebUtility.UrlDecode(p[0])).ToDictionary(g => g.Key,
                g => (IList<string>)g.Select(p => p.Length > 1 ? WebUtility.UrlDecode(p[1]) : "").ToList());
    }
}

public class Variables : IReadOnlyDictionary<string, object>
{
    readonly Dictionary<string, object> held = new Dictionary<string, object>();
    public void Set(string name, object value) { held[name] = value; }
    public object this[string name] { get { object found; return held.TryGetValue(name, out found) ? found : null; } }
    public IEnumerable<string> Keys { get { return held.Keys; } }
    public IEnumerable<object> Values { get { return held.Values; } }
    public int Count { get { return held.Count; } }
    public bool ContainsKey(string name) { return held.ContainsKey(name); }
    public bool TryGetValue(string name, out object value) { return held.TryGetValue(name, out value); }
    public IEnumerator<KeyValuePair<string, object>> GetEnumerator() { return held.GetEnumerator(); }
    IEnumerator IEnumerable.GetEnumerator() { return held.GetEnumerator(); }
}

public class BasicAuthCredentials { public string UserId { get; set; } public string Password { get; set; } }

public class Claims : IReadOnlyDictionary<string, string[]>
{
    readonly Dictionary<string, string[]> held = new Dictionary<string, string[]>(StringComparer.OrdinalIgnoreCase);
    public void Set(string name, string[] value) { held[name] = value; }
    public string[] this[string name] { get { string[] found; return held.TryGetValue(name, out found) ? found : new string[0]; } }
    public IEnumerable<string> Keys { get { return held.Keys; } }
    public IEnumerable<string[]> Values { get { return held.Values; } }
    public int Count { get { return held.Count; } }
    public bool ContainsKey(string name) { return held.ContainsKey(name); }
    public bool TryGetValue(string name, out string[] value) { return held.TryGetValue(name, out value); }
    public IEnumerator<KeyValuePair<string, string[]>> GetEnumerator() { return held.GetEnumerator(); }
    IEnumerator IEnumerable.GetEnumerator() { return held.GetEnumerator(); }
}

public class Jwt
{
    public string Algorithm { get; set; }
    public string Type { get; set; }
    public Claims Claims { get; } = new Claims();
    public IEnumerable<string> Audiences { get { return Claims["aud"]; } }
    public string Id { get { return Claims["jti"].FirstOrDefault(); } }
    public string Issuer { get { return Claims["iss"].FirstOrDefault(); } }
    public string Subject { get { return Claims["sub"].FirstOrDefault(); } }
    public DateTime? ExpirationTime { get { return Moment("exp"); } }
    public DateTime? NotBefore { get { return Moment("nbf"); } }
    public DateTime? IssuedAt { get { return Moment("iat"); } }
    DateTime? Moment(string name)
    {
        double seconds;
        return double.TryParse(Claims[name].FirstOrDefault(), NumberStyles.Float, CultureInfo.InvariantCulture, out seconds)
            ? DateTimeOffset.FromUnixTimeSeconds((long)seconds).UtcDateTime : (DateTime?)null;
    }
}

public static class ContextExtensions
{
    public static string GetValueOrDefault(this IReadOnlyDictionary<string, string[]> values, string name)
    { return values.ContainsKey(name) ? string.Join(",", values[name]) : null; }
    public static string GetValueOrDefault(this IReadOnlyDictionary<string, string[]> values, string name, string or)
    { return values.ContainsKey(name) ? string.Join(",", values[name]) : or; }
    public static string GetValueOrDefault(this IReadOnlyDictionary<string, string> values, string name)
    { return values.ContainsKey(name) ? values[name] : null; }
    public static string GetValueOrDefault(this IReadOnlyDictionary<string, string> values, string name, string or)
    { return values.ContainsKey(name) ? values[name] : or; }
    public static object GetValueOrDefault(this IReadOnlyDictionary<string, object> values, string name)
    { return values.ContainsKey(name) ? values[name] : null; }
    public static T GetValueOrDefault<T>(this IReadOnlyDictionary<string, object> values, string name)
    { return values.ContainsKey(name) ? (T)values[name] : default(T); }
    public static T GetValueOrDefault<T>(this IReadOnlyDictionary<string, object> values, string name, T or)
    { return values.ContainsKey(name) ? (T)values[name] : or; }

    public static BasicAuthCredentials AsBasic(this string value)
    {
        if (value == null || !value.StartsWith("Basic ", StringComparison.Ordinal)) return null;
        try
        {
            var pair = Encoding.GetEncoding("ISO-8859-1").GetString(Convert.FromBase64String(value.Substring(6).Trim()));
            var colon = pair.LastIndexOf(':');
            return colon < 1 ? null : new BasicAuthCredentials { UserId = pair.Substring(0, colon), Password = pair.Substring(colon + 1) };
        }
        catch (FormatException) { return null; }
    }
    public static bool TryParseBasic(this string value, out BasicAuthCredentials found) { found = value.AsBasic(); return found != null; }

    public static Jwt AsJwt(this string value)
    {
        if (string.IsNullOrEmpty(value)) return null;
        var parts = (value.StartsWith("Bearer ", StringComparison.OrdinalIgnoreCase) ? value.Substring(7) : value).Trim().Split('.');
        if (parts.Length < 2) return null;
        try
        {
            var head = JObject.Parse(Decode(parts[0]));
            var made = new Jwt { Algorithm = (string)head["alg"], Type = (string)head["typ"] };
            foreach (var claim in JObject.Parse(Decode(parts[1])))
                made.Claims.Set(claim.Key, claim.Value is JArray ? claim.Value.Select(Text).ToArray() : new[] { Text(claim.Value) });
            return made;
        }
        catch (Exception) { return null; }
    }
    public static bool TryParseJwt(this string value, out Jwt found) { found = value.AsJwt(); return found != null; }
    static string Text(JToken token)
    {
        if (token.Type == JTokenType.Boolean) return (bool)token ? "true" : "false";
        return token is JContainer ? token.ToString(Newtonsoft.Json.Formatting.None) : Convert.ToString(((JValue)token).Value, CultureInfo.InvariantCulture);
    }
    static string Decode(string part)
    {
        part = part.Replace('-', '+').Replace('_', '/');
        return Encoding.UTF8.GetString(Convert.FromBase64String(part + new string('=', (4 - part.Length % 4) % 4)));
    }

    static byte[] Run(ICryptoTransform transform, byte[] input) { return transform.TransformFinalBlock(input, 0, input.Length); }
    public static byte[] Encrypt(this byte[] input, string alg, byte[] key, byte[] iv)
    { return Run(SymmetricAlgorithm.Create(alg).CreateEncryptor(key, iv), input); }
    public static byte[] Decrypt(this byte[] input, string alg, byte[] key, byte[] iv)
    { return Run(SymmetricAlgorithm.Create(alg).CreateDecryptor(key, iv), input); }
    public static byte[] Encrypt(this byte[] input, SymmetricAlgorithm alg) { return Run(alg.CreateEncryptor(), input); }
    public static byte[] Decrypt(this byte[] input, SymmetricAlgorithm alg) { return Run(alg.CreateDecryptor(), input); }
    public static byte[] Encrypt(this byte[] input, SymmetricAlgorithm alg, byte[] key, byte[] iv)
    { return Run(alg.CreateEncryptor(key, iv), input); }
    public static byte[] Decrypt(this byte[] input, SymmetricAlgorithm alg, byte[] key, byte[] iv)
    { return Run(alg.CreateDecryptor(key, iv), input); }

    public static string ToQueryString(this IDictionary<string, IList<string>> form)
    { return string.Join("&", form.SelectMany(p => p.Value.Select(v => WebUtility.UrlEncode(p.Key) + "=" + WebUtility.UrlEncode(v)))); }
    public static string ToFormUrlEncodedContent(this IDictionary<string, IList<string>> form) { return form.ToQueryString(); }
}

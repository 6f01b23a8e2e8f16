// The console: swagger-ui reads the API's document; its calls take the portal's relay, since gateways are of another origin.
(() => {
  // What swagger-ui lacks for those who do not see it, put right whenever it has drawn something.
  const LABELS = { "#servers": "Server", ".examples-select-element": "Example", ".content-type": "Media type",
    "textarea.body-param__text": "Request body", ".body-param textarea": "Request body", ".parameters textarea": "Value" };
  function mend(within) {
    for (const [selector, label] of Object.entries(LABELS)) {
      for (const each of within.querySelectorAll(`${selector}:not([aria-label])`)) each.setAttribute("aria-label", label);
    }
    for (const each of within.querySelectorAll("pre:not([tabindex])")) each.tabIndex = 0;
    for (const each of within.querySelectorAll("h4:not([aria-level])")) each.setAttribute("aria-level", "3");
    for (const each of within.querySelectorAll("h5:not([aria-level])")) each.setAttribute("aria-level", "4");
  }

  // Its own layout says what the page says already, in a second <main>.
  const layout = (system) => ({
    // Descriptions are text, as on all pages: whoever publishes an API writes no markup here.
    wrapComponents: {
      Markdown: () => ({ source }) => system.React.createElement("div", { className: "markdown plain" }, String(source ?? "")),
    },
    components: {
      PortalLayout: ({ getComponent }) => {
        const draw = system.React.createElement;
        const part = (name, container = true) => draw(getComponent(name, container));
        return draw("div", { className: "swagger-ui" }, part("SvgAssets"), part("errors", true),
          draw("div", { className: "scheme-container" }, draw("div", { className: "schemes wrapper" },
            draw("div", { className: "schemes-server-container" }, part("ServersContainer")),
            part("AuthorizeBtnContainer"))),
          part("operations"));
      },
    },
  });

  const place = document.getElementById("try");
  const keys = document.getElementById("own-key");
  const KEY = "apiKeyHeader"; // the security scheme of the document
  const TOLD = "x-told-"; // headers of the gateway that the relay may not give under their own names
  const OURS = new Set(["content-security-policy", "x-content-type-options", "x-frame-options", "referrer-policy",
    "cross-origin-opener-policy", "cross-origin-resource-policy", "permissions-policy", "server-timing", "server",
    "cache-control", "date"]);

  new MutationObserver(() => mend(place)).observe(place, { childList: true, subtree: true });
  const ui = window.SwaggerUIBundle({
    url: place.dataset.document,
    domNode: place,
    presets: [window.SwaggerUIBundle.presets.apis],
    plugins: [layout],
    layout: "PortalLayout",
    deepLinking: false,
    docExpansion: "list",
    defaultModelsExpandDepth: -1,
    tryItOutEnabled: true,
    displayRequestDuration: true,
    showMutatedRequest: false,
    persistAuthorization: false,
    validatorUrl: null,
    syntaxHighlight: { theme: "tomorrow-night" },
    requestInterceptor: (request) => {
      const url = new URL(request.url, location.href);
      if (url.origin === location.origin && url.pathname === place.dataset.document) return request;
      const headers = { ...request.headers, "X-Csrf-Token": place.dataset.csrf, "X-Try-Url": url.href,
        "X-Try-Method": request.method };
      return { ...request, url: "/try", method: "POST", headers };
    },
    responseInterceptor: (response) => {
      if (!response.url || new URL(response.url).pathname !== "/try") return response;
      for (const name of Object.keys(response.headers)) {
        if (name.startsWith(TOLD)) {
          response.headers[name.slice(TOLD.length)] = response.headers[name];
          delete response.headers[name];
        } else if (OURS.has(name) && !(TOLD + name in response.headers)) {
          delete response.headers[name];
        }
      }
      return response;
    },
    onComplete: () => {
      const wanted = decodeURIComponent(location.hash.slice(1));
      const block = wanted && [...place.querySelectorAll(".opblock")].find((each) => each.id.endsWith(`-${wanted}`));
      if (block) {
        block.querySelector(".opblock-summary-control").click();
        block.scrollIntoView();
      }
    },
  });

  if (keys) {
    const said = document.getElementById("key-said");
    document.getElementById("use-key").addEventListener("click", async () => {
      const id = document.getElementById("subscription").value;
      if (!id) {
        ui.authActions.logout([KEY]);
        said.textContent = "Calls carry no key.";
        return;
      }
      const answer = await fetch(`/profile/subscriptions/${encodeURIComponent(id)}/keys`, {
        method: "POST",
        headers: { Accept: "application/json", "X-Csrf-Token": keys.dataset.csrf },
      }).catch(() => null);
      if (!answer || !answer.ok) {
        said.textContent = "The key could not be fetched. Load the page again.";
        return;
      }
      ui.preauthorizeApiKey(KEY, (await answer.json()).primaryKey);
      said.textContent = "Calls carry your key.";
    });
  }
})();

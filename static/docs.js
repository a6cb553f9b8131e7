// The API's document, to read and to try. Nothing is fetched from elsewhere, and no token is kept.
// Who is logged in to the shop tries it as himself: what he changes carries the token of this page.
"use strict";
const viewer = document.getElementById("viewer");
SwaggerUIBundle({
  domNode: viewer,
  url: viewer.dataset.document,
  deepLinking: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  tryItOutEnabled: true,
  validatorUrl: null,
  requestInterceptor: (request) => {
    request.headers["X-CSRF-Token"] = document.querySelector('meta[name="csrf-token"]').content;
    return request;
  },
});

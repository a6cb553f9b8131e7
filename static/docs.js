// The API's document, to read and to try. Nothing is fetched from elsewhere, and no token is kept.
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
});

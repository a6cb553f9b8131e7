// The page of a product: instead of every variant as one button, a row of buttons for each option; and what the
// chosen variant costs. Without this, the buttons of the form do the same, one for each variant.

const form = document.querySelector("form.buy");
const variants = [...form.querySelectorAll("input[type=radio][name=variant_id]")].map((input) => ({
  input,
  options: JSON.parse(input.dataset.options),
  stock: Number(input.dataset.stock),
}));
const names = JSON.parse(form.dataset.options);
const chosen = {};

function fits(variant, wish) {
  return Object.entries(wish).every(([name, value]) => variant.options[name] === value);
}

function stockNote(stock) {
  if (stock === 0) return ["Sold out", "stock out"];
  if (stock === 1) return ["Last piece", "stock few"];
  return stock <= 5 ? [`Only ${stock} left`, "stock few"] : ["In stock", "stock"];
}

function tell(variant) {
  const [whole, cents] = variant.input.dataset.price.split(".");
  const amount = document.querySelector("#price .amount");
  amount.replaceChildren(span("unit", "KSh"), `\u00a0${whole}`, span("cents", `.${cents}`));
  document.querySelector("#price .from")?.remove();
  const note = document.querySelector("#stock p");
  [note.textContent, note.className] = stockNote(variant.stock);
  const quantity = form.elements.quantity;
  quantity.max = Math.max(variant.stock, 1);
  if (Number(quantity.value) > quantity.max) quantity.value = quantity.max;
}

function span(className, text) {
  const element = document.createElement("span");
  element.className = className;
  element.textContent = text;
  return element;
}

function row(name) {
  const values = [...new Set(variants.map((variant) => variant.options[name]))];
  const fieldset = document.createElement("fieldset");
  fieldset.className = "field";
  const legend = document.createElement("legend");
  legend.textContent = name;
  const choices = document.createElement("div");
  choices.className = "choices";
  choices.append(...values.map((value) => button(name, value)));
  fieldset.append(legend, choices);
  return fieldset;
}

function button(name, value) {
  const label = document.createElement("label");
  label.className = "choice";
  const input = document.createElement("input");
  Object.assign(input, { type: "radio", name: `choose-${name}`, value, required: true });
  input.addEventListener("change", () => choose(name, value));
  label.append(input, span("", value));
  return label;
}

// What is chosen last holds; an older choice that does not go with it is let go.
function choose(name, value) {
  for (const other of names) {
    if (other !== name && !variants.some((variant) => fits(variant, { [name]: value, [other]: chosen[other] }))) {
      delete chosen[other];
    }
  }
  chosen[name] = value;
  show();
}

function show() {
  for (const input of form.querySelectorAll(".rows input")) {
    const name = input.name.replace("choose-", "");
    const { [name]: _, ...rest } = chosen;
    input.checked = chosen[name] === input.value;
    const found = variants.filter((variant) => fits(variant, { ...rest, [name]: input.value }));
    input.parentElement.classList.toggle("away", !found.some((variant) => variant.stock > 0));
  }
  const found = names.every((name) => name in chosen) ? variants.find((variant) => fits(variant, chosen)) : undefined;
  for (const variant of variants) variant.input.checked = variant === found && variant.stock > 0;
  const buy = form.querySelector(".buy-button");
  buy.disabled = found !== undefined && found.stock === 0;
  buy.textContent = buy.disabled ? "Sold out" : "Add to cart";
  if (found) tell(found);
}

if (names.length > 1 && variants.length > 1) {
  const rows = document.createElement("div");
  rows.className = "rows";
  rows.append(...names.map(row));
  const list = form.querySelector(".variants");
  list.before(rows);
  list.hidden = true;
  for (const variant of variants) variant.input.required = false;
  // What is bought is the variant; by which options it was found is nobody's business.
  form.addEventListener("formdata", (event) => names.forEach((name) => event.formData.delete(`choose-${name}`)));
  const first = variants.find((variant) => variant.stock > 0);
  for (const name of names) {
    const values = new Set(variants.map((variant) => variant.options[name]));
    if (values.size === 1 && first) chosen[name] = first.options[name];
  }
  show();
} else {
  for (const variant of variants) {
    variant.input.addEventListener("change", () => tell(variant));
    if (variant.input.checked) tell(variant);
  }
}

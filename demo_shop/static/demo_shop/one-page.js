/* Checkout without a separate card page. Four steps: the shop's server creates the payment
   before each card; POST /pay/ with the card; the form to the issuer; polling of the
   payment until it is final. The card is sent once and never stored. */
(function () {
  "use strict";
  var root = document.getElementById("one-page");
  var form = document.getElementById("card");
  var status = document.getElementById("message");
  var onward = document.getElementById("onward");
  var contact = document.getElementById("contact");
  var cards = document.getElementById("cards");
  var methods = document.getElementById("methods");
  var others = document.getElementById("others");
  var takesCards = Boolean(form.elements.card_number);
  var STORE = "one-page payment";
  var CARD = ["cardholder_name", "card_number", "expiry", "security_code"];

  function payment() {
    return JSON.parse(sessionStorage.getItem(STORE) || "null");
  }

  function remember(found) {
    sessionStorage.setItem(STORE, JSON.stringify({ id: found.id, client_secret: found.client_secret }));
  }

  /* hide the contact fields once the payment exists */
  function updateContact() {
    contact.hidden = contact.disabled = Boolean(payment());
  }

  function showMessage(text, focus) {
    status.hidden = !text;
    status.textContent = text;
    if (focus) status.focus();
  }

  function call(path, body) {
    var mine = payment();
    var options = { headers: { "X-Client-Secret": mine.client_secret, "Accept-Language": document.documentElement.lang } };
    if (body) {
      options.method = "POST";
      options.headers["Content-Type"] = "application/json";
      options.headers["Idempotency-Key"] = crypto.randomUUID();
      options.body = JSON.stringify(body);
    }
    return fetch(root.dataset.api.replace("ID", mine.id) + path, options).then(read);
  }

  function read(response) {
    return response.json().then(function (found) {
      if (response.status === 401) return startAgain();
      if (!response.ok) throw found;
      return found;
    });
  }

  /* the client secret is invalid: start again */
  function startAgain() {
    sessionStorage.removeItem(STORE);
    form.hidden = !form.elements.total.value;
    updateContact();
    throw { detail: root.dataset.begin };
  }

  /* Before each card: get the payment of the present basket from the shop's server. It is
     the same one while nothing changed. */
  function makePayment() {
    var body = new URLSearchParams({
      total: form.elements.total.value,
      csrfmiddlewaretoken: form.elements.csrfmiddlewaretoken.value
    });
    contact.querySelectorAll("[name]").forEach(function (field) { body.append(field.name, field.value); });
    return fetch(root.dataset.order, { method: "POST", body: body }).then(read).then(remember);
  }

  function readCard() {
    var found = {};
    CARD.forEach(function (name) {
      found[name] = form.elements[name].value;
    });
    return found;
  }

  function clearCard() {
    if (!takesCards) return;
    form.elements.card_number.value = form.elements.expiry.value = form.elements.security_code.value = "";
  }

  function postToIssuer(action) {
    var target = document.createElement("form");
    target.method = "post";
    target.action = action.url;
    Object.keys(action.fields).forEach(function (name) {
      var field = document.createElement("input");
      field.type = "hidden";
      field.name = name;
      field.value = action.fields[name];
      target.appendChild(field);
    });
    document.body.appendChild(target);
    target.submit();
  }

  function handle(found) {
    var action = found.next_action;
    if (found.client_secret) remember(found);
    if (action.type === "redirect") return postToIssuer(action);
    if (action.type === "redirect_to_url") return window.location.assign(action.url);
    if (action.type === "pending") setTimeout(poll, action.retry_after * 1000);
    form.hidden = !takesCards || !(action.type === "enter_card" || action.can_retry);
    if (cards) cards.hidden = form.hidden;
    showMethods(action.type === "pending" ? [] : found.methods);
    updateContact();
    setBusy(false);
    if (action.type === "enter_card" || action.type === "choose_method") return showMessage("");
    showMessage(found.message.title + ". " + found.message.text, true);
    if (found.final && !action.can_retry) sessionStorage.removeItem(STORE);
    if (action.type === "done" && found.reference) {
      onward.hidden = false;
      onward.href = "/orders/" + encodeURIComponent(found.reference) + "/";
    }
  }

  /* a button for each way to pay on Nexi's hosted page */
  function showMethods(offered) {
    if (others) others.hidden = offered.length > 0;
    methods.hidden = !offered.length;
    methods.querySelectorAll("button").forEach(function (button) { button.remove(); });
    offered.forEach(function (one) {
      var button = document.createElement("button");
      button.type = "button";
      button.className = "button";
      button.textContent = one.label;
      button.addEventListener("click", function () {
        setBusy(true);
        call("hosted/", { method: one.code }).then(handle).catch(showProblem);
      });
      methods.appendChild(button);
    });
  }

  function showProblem(problem) {
    setBusy(false);
    markFields(problem.errors);
    var first = (problem.errors || [])[0];
    showMessage((first && first.detail) || problem.detail || root.dataset.lost, !first);
  }

  function markFields(errors) {
    Array.prototype.forEach.call(form.elements, function (field) {
      field.removeAttribute("aria-invalid");
    });
    (errors || []).slice().reverse().forEach(function (error) {
      var field = form.elements[error.field];
      if (!field) return;
      if (contact.contains(field)) contact.hidden = contact.disabled = false;
      field.setAttribute("aria-invalid", "true");
      field.setAttribute("aria-describedby", "message");
      field.focus();
    });
  }

  function setBusy(active) {
    root.querySelectorAll("button").forEach(function (button) { button.disabled = active; });
    if (active) showMessage(root.dataset.busy);
  }

  function poll() {
    call("").then(handle).catch(function (problem) {
      if (problem instanceof TypeError) setTimeout(poll, 5000); // no connection: try again
      showProblem(problem);
    });
  }

  form.addEventListener("submit", function (event) {
    event.preventDefault();
    if (!takesCards) return chooseMethod();
    var card = readCard();
    setBusy(true);
    makePayment()
      .then(function () { return call("pay/", card); })
      .then(function (found) {
        clearCard();
        handle(found);
      })
      .catch(showProblem);
  });

  function chooseMethod() {
    setBusy(true);
    makePayment().then(function () { return call(""); }).then(handle).catch(showProblem);
  }

  if (others) others.addEventListener("click", chooseMethod);
  window.addEventListener("pagehide", clearCard);
  window.addEventListener("pageshow", function (event) {
    if (event.persisted) window.location.reload();
  });
  if (payment()) poll();
})();

/* A checkout without a page of its own for the card. Four calls: the shop's own server
   makes the payment, before each card; then /pay/ with the card, the form to the bank, and the payment's
   address until it is final. The card is sent once and kept nowhere. */
(function () {
  "use strict";
  var root = document.getElementById("one-page");
  var form = document.getElementById("card");
  var said = document.getElementById("said");
  var onward = document.getElementById("onward");
  var who = document.getElementById("who");
  var cards = document.getElementById("cards");
  var STORE = "one-page payment";
  var CARD = ["cardholder_name", "card_number", "expiry", "security_code"];

  function payment() {
    return JSON.parse(sessionStorage.getItem(STORE) || "null");
  }

  function remember(found) {
    sessionStorage.setItem(STORE, JSON.stringify({ id: found.id, client_secret: found.client_secret }));
  }

  /* the payment is made: who pays it is known */
  function known() {
    who.hidden = who.disabled = Boolean(payment());
  }

  function say(text, focus) {
    said.hidden = !text;
    said.textContent = text;
    if (focus) said.focus();
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
      if (response.status === 401) return begin();
      if (!response.ok) throw found;
      return found;
    });
  }

  /* the payment is not ours, or no more: nothing is known of it here */
  function begin() {
    sessionStorage.removeItem(STORE);
    form.hidden = !form.elements.total.value;
    known();
    throw { detail: root.dataset.begin };
  }

  /* Before each card: the shop's server gives the payment of the basket as it is now, the
     same one while nothing changed. */
  function makePayment() {
    var body = new URLSearchParams({
      total: form.elements.total.value,
      csrfmiddlewaretoken: form.elements.csrfmiddlewaretoken.value
    });
    who.querySelectorAll("[name]").forEach(function (field) { body.append(field.name, field.value); });
    return fetch(root.dataset.order, { method: "POST", body: body }).then(read).then(remember);
  }

  function card() {
    var found = {};
    CARD.forEach(function (name) {
      found[name] = form.elements[name].value;
    });
    return found;
  }

  function forgetCard() {
    form.elements.card_number.value = form.elements.expiry.value = form.elements.security_code.value = "";
  }

  function toTheBank(action) {
    var way = document.createElement("form");
    way.method = "post";
    way.action = action.url;
    Object.keys(action.fields).forEach(function (name) {
      var field = document.createElement("input");
      field.type = "hidden";
      field.name = name;
      field.value = action.fields[name];
      way.appendChild(field);
    });
    document.body.appendChild(way);
    way.submit();
  }

  function go(found) {
    var action = found.next_action;
    if (found.client_secret) remember(found);
    if (action.type === "redirect") return toTheBank(action);
    if (action.type === "pending") setTimeout(look, action.after * 1000);
    form.hidden = !(action.type === "enter_card" || action.can_retry);
    if (cards) cards.hidden = form.hidden;
    known();
    busy(false);
    if (action.type === "enter_card") return say("");
    say(found.message.title + ". " + found.message.text, true);
    if (found.final && !action.can_retry) sessionStorage.removeItem(STORE);
    if (action.type === "done" && found.reference) {
      onward.hidden = false;
      onward.href = "/orders/" + encodeURIComponent(found.reference) + "/";
    }
  }

  function failed(problem) {
    busy(false);
    mark(problem.errors);
    var first = (problem.errors || [])[0];
    say((first && first.detail) || problem.detail || root.dataset.lost, !first);
  }

  function mark(errors) {
    Array.prototype.forEach.call(form.elements, function (field) {
      field.removeAttribute("aria-invalid");
    });
    (errors || []).slice().reverse().forEach(function (error) {
      var field = form.elements[error.field];
      if (!field) return;
      if (who.contains(field)) who.hidden = who.disabled = false;
      field.setAttribute("aria-invalid", "true");
      field.setAttribute("aria-describedby", "said");
      field.focus();
    });
  }

  function busy(is) {
    form.querySelector("button").disabled = is;
    if (is) say(root.dataset.busy);
  }

  function look() {
    call("").then(go).catch(function (problem) {
      if (problem instanceof TypeError) setTimeout(look, 5000); // no connection: it comes back
      failed(problem);
    });
  }

  form.addEventListener("submit", function (event) {
    event.preventDefault();
    var sent = card();
    busy(true);
    makePayment()
      .then(function () { return call("pay/", sent); })
      .then(function (found) {
        forgetCard();
        go(found);
      })
      .catch(failed);
  });

  window.addEventListener("pagehide", forgetCard);
  if (payment()) look();
})();

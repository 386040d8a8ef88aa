/* Card page of a phone order, after card.js: asks the server about the last four digits
   before the card is sent, because a card that was refused would have to be read out again.
   The server decides once more when it gets the card. The page works without this file. */
(function () {
  "use strict";
  var form = document.querySelector("form[data-ask]");
  if (!form) return;
  var number = form.elements.card_number;
  var tick = form.elements.allow_duplicate;
  var block = form.querySelector("[data-duplicates]");
  var list = block.querySelector("ul");
  var notice = form.querySelector("[data-notice]");
  var given = ""; // the digits whose answer the clerk has seen, and presses on

  function say(text) {
    notice.textContent = text;
    notice.hidden = !text; // an alert: it is read out
  }
  function release() { form.dispatchEvent(new Event("nexi-release")); }

  function read(response) {
    if (response.redirected || response.status === 403) throw new Error("login");
    if (!response.ok) throw new Error("server");
    return response.json();
  }
  function show(found) {
    list.replaceChildren.apply(list, found.lines.map(function (text) {
      var line = document.createElement("li");
      line.textContent = text;
      return line;
    }));
    block.hidden = false;
    release();
    say(found.message);
    tick.focus();
  }
  function decide(found) {
    if (found.next) { window.location.replace(found.next); return; }
    if (found.refused) { release(); number.focus(); say(found.message); return; }
    if (found.duplicate) { given = ""; show(found); return; }
    form.submit();
  }

  number.addEventListener("input", function () { given = ""; say(""); });
  form.addEventListener("submit", function (event) {
    var last4 = number.value.normalize("NFKC").replace(/\D/g, "").slice(-4);
    if (event.defaultPrevented || tick.checked || given === last4) return;
    event.preventDefault();
    given = last4;
    say("");
    var body = new URLSearchParams({
      csrfmiddlewaretoken: form.elements.csrfmiddlewaretoken.value,
      last4: last4
    });
    fetch(form.dataset.ask, { method: "POST", body: body, cache: "no-store" })
      .then(read).then(decide)
      .catch(function (error) {
        release();
        say(error.message === "login" ? notice.dataset.login : notice.dataset.unanswered);
      });
  });
})();

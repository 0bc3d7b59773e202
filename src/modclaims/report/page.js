"use strict";
(function () {
  var bar = document.getElementById("filter");
  if (!bar) return;
  var told = document.getElementById("filter-told");
  var buttons = bar.querySelectorAll("button");
  var claims = document.querySelectorAll("[data-outcome]");
  var total = document.querySelectorAll("section[data-outcome]").length;
  function show(which) {
    var seen = 0;
    claims.forEach(function (element) {
      var fits = which === "all" || element.dataset.outcome === which || element.dataset.standing === which;
      element.hidden = !fits;
      if (fits && element.tagName === "SECTION") seen += 1;
    });
    buttons.forEach(function (button) {
      button.setAttribute("aria-pressed", String(button.value === which));
    });
    told.textContent = which === "all" ? "" : "Showing " + seen + " of " + total + " claims.";
  }
  bar.addEventListener("click", function (event) {
    var button = event.target.closest("button");
    if (button) show(button.value);
  });
  bar.hidden = false;
})();

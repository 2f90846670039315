"use strict";
(() => {
  const page = document.documentElement;
  const switches = [...document.querySelectorAll('input[name="language"]')];
  const tags = { en: "en", zh: "zh-Hans" };
  const show = (language) => {
    page.lang = tags[language];
    document.title = page.dataset[language === "zh" ? "titleZh" : "titleEn"];
  };
  const remembered = () => {
    try { return localStorage.getItem("forgetless-language"); } catch { return null; }
  };
  const remember = (language) => {
    try { localStorage.setItem("forgetless-language", language); } catch { /* a file may have no storage */ }
  };
  const asked = { "#en": "en", "#zh": "zh" }[location.hash] || remembered();
  for (const each of switches) {
    if (each.value === asked) { each.checked = true; show(asked); }
    each.addEventListener("change", () => { remember(each.value); show(each.value); });
  }
  addEventListener("beforeprint", () => {
    for (const folded of document.querySelectorAll("details:not([open])")) { folded.open = true; folded.dataset.folded = ""; }
  });
  addEventListener("afterprint", () => {
    for (const folded of document.querySelectorAll("details[data-folded]")) { folded.open = false; delete folded.dataset.folded; }
  });
})();

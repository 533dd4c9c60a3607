"use strict";
// Draws each plot when it comes near the screen, in the page's own colours, and again when those change.
(() => {
  const specs = JSON.parse(document.getElementById("specs").textContent);
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const views = new Map();

  const config = (width) => {
    const style = getComputedStyle(document.documentElement);
    const of = (name) => style.getPropertyValue(`--${name}`).trim();
    const text = { labelColor: of("soft"), titleColor: of("soft"), labelFontSize: 11, titleFontSize: 11, titleFontWeight: "normal" };
    return {
      background: "transparent",
      font: "system-ui, sans-serif",
      view: { stroke: null },
      mark: { color: of("accent") },
      bar: { fill: of("accent") }, area: { fill: of("accent"), fillOpacity: 0.35, line: { color: of("accent") } },
      line: { stroke: of("accent") }, rule: { stroke: of("soft") }, point: { color: of("accent"), fill: of("accent") },
      title: { color: of("ink"), subtitleColor: of("soft"), fontSize: 13, subtitleFontSize: 11, fontWeight: 600, limit: Math.max(120, width - 16) },
      axis: { ...text, gridColor: of("line"), domainColor: of("line"), tickColor: of("line"), titleLimit: 260 },
      axisY: { tickCount: 4 }, axisX: { tickCount: 6, labelOverlap: true },
      legend: { ...text, labelLimit: 160 },
      range: {
        category: ["c1", "c2", "c3", "c4", "c5", "c6", "c7", "c8"].map(of),
        diverging: ["negative", "middle", "positive"].map(of),
      },
    };
  };

  const draw = async (box) => {
    const options = { actions: false, renderer: "svg", ast: true, config: config(box.clientWidth), tooltip: { theme: dark.matches ? "dark" : "light" } };
    views.get(box)?.finalize();
    views.set(box, null);
    try {
      views.set(box, (await vegaEmbed(box, specs[Number(box.dataset.plot)], options)));
      box.classList.add("drawn");
    } catch (error) {
      box.textContent = "This plot could not be drawn; its numbers are in the tables.";
      console.error(error);
    }
  };

  const boxes = [...document.querySelectorAll("[data-plot]")];
  const near = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (entry.isIntersecting && !views.has(entry.target)) draw(entry.target);
    }
  }, { rootMargin: "600px" });
  for (const box of boxes) near.observe(box);
  dark.addEventListener("change", () => { for (const box of views.keys()) draw(box); });
  window.addEventListener("beforeprint", () => { for (const box of boxes) if (!views.has(box)) draw(box); });
})();

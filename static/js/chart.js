// Shows the values of a chart's bars under the pointer and with the arrow keys. Without scripts, each
// bar has the browser's own tooltip. The table below the chart has all numbers.

import { element } from "./dom.js";

export class Chart {
  constructor(figure) {
    this.svg = figure.querySelector("svg");
    this.bars = [...this.svg.querySelectorAll("g")];
    this.labels = this.bars.map((bar) => bar.querySelector("title").textContent);
    for (const bar of this.bars) bar.querySelector("title").remove(); // or there would be two tooltips
    this.tip = element("p", { className: "chart-tip", ariaLive: "polite" });
    figure.append(this.tip);
    this.svg.tabIndex = 0;
    this.at = this.bars.length - 1;
    this.svg.addEventListener("pointerover", (event) => {
      const at = this.bars.indexOf(event.target.closest("g"));
      if (at >= 0) this.show(at);
    });
    this.svg.addEventListener("pointerleave", () => this.hide());
    this.svg.addEventListener("focus", () => this.show(this.at));
    this.svg.addEventListener("blur", () => this.hide());
    this.svg.addEventListener("keydown", (event) => this.onKeydown(event));
  }

  onKeydown(event) {
    const last = this.bars.length - 1;
    const next = { ArrowLeft: this.at - 1, ArrowRight: this.at + 1, Home: 0, End: last }[event.key];
    if (event.key === "Escape") this.hide();
    if (next === undefined) return;
    event.preventDefault();
    this.show(Math.min(Math.max(next, 0), last));
  }

  show(at) {
    this.mark(false);
    this.at = at;
    this.mark(true);
    this.tip.textContent = this.labels[at];
  }

  hide() {
    this.mark(false);
    this.tip.textContent = "";
  }

  mark(on) {
    this.bars[this.at].classList.toggle("marked", on);
  }
}

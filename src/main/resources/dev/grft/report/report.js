// Draws the page from the data in #data. Text goes into the page as text, never as markup.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const page = document.getElementById("page");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const charts = [];

  // --- Elements ---

  function h(name, attributes, ...children) {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes || {})) {
      if (value !== null && value !== undefined) element.setAttribute(key, value);
    }
    for (const child of children.flat()) {
      if (child !== null && child !== undefined) element.append(child);
    }
    return element;
  }

  function section(id, title, ...children) {
    page.append(h("section", { id, "aria-labelledby": id + "-title" }, h("h2", { id: id + "-title" }, title), ...children));
  }

  // columns: [title, class of the cells]; rows: arrays of texts; main: which rows are of the run's own method
  function table(caption, columns, rows, main = () => false) {
    return h("div", { class: "table", tabindex: 0, role: "region", "aria-label": caption },
      h("table", {},
        h("caption", {}, caption),
        h("thead", {}, h("tr", {}, columns.map(([title, kind]) => h("th", { scope: "col", class: kind }, title)))),
        h("tbody", {}, rows.map((row, r) => h("tr", { class: main(r) ? "main" : null },
          row.map((cell, c) => h("td", { class: columns[c][1] }, cell)))))));
  }

  function numbers(title, ...content) {
    return h("details", {}, h("summary", {}, title), ...content);
  }

  function select(label, names, changed) {
    const box = h("select", {}, names.map((name, i) => h("option", { value: i }, name)));
    box.addEventListener("change", () => changed(+box.value));
    return h("p", {}, h("label", {}, label + " ", box));
  }

  // --- Texts ---

  const many = new Intl.NumberFormat("en-US");
  const rough = new Intl.NumberFormat("en-US", { notation: "compact" });
  const whole = (n) => (Number.isFinite(n) ? many.format(Math.round(n)) : "–");
  const fixed = (n, digits) => (Number.isFinite(n) ? n.toFixed(digits) : "–");
  const percent = (n, digits = 2) => (Number.isFinite(n) ? (100 * n).toFixed(digits) + " %" : "–");
  const seconds = (s) => !Number.isFinite(s) ? "–" : s < 100 ? s.toFixed(1) + " s" : s < 6000 ? (s / 60).toFixed(1) + " min" : (s / 3600).toFixed(1) + " h";
  const milliseconds = (s) => (Number.isFinite(s) ? fixed(1000 * s, 0) + " ms" : "–");
  function bytes(n) {
    if (!Number.isFinite(n)) return "–";
    const units = ["B", "kB", "MB", "GB", "TB"];
    let u = 0;
    while (n >= 999.5 && u < units.length - 1) { n /= 1000; u++; }
    return (u === 0 || n >= 100 ? n.toFixed(0) : n.toPrecision(3)) + " " + units[u];
  }
  const compact = (n) => n === 0 ? "0" : Math.abs(n) < 0.01 || Math.abs(n) >= 1e5 ? n.toExponential(1) : String(+n.toPrecision(3));
  const short = (text, length) => (text.length > length ? text.slice(0, length - 1) + "…" : text);
  const shortPath = (path, length) => (path.length > length ? "…" + path.slice(1 - length) : path); // its end tells which it is

  // --- Charts ---

  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const PALETTE = {
    light: ["#0b62c4", "#c4510b", "#12805c", "#8c3fb0", "#a3234d", "#6b6200", "#3d5a80", "#7a4a2b"],
    dark: ["#6db1ff", "#ffa25e", "#5ed1a5", "#cf9bf0", "#ff8fb0", "#d8cb5a", "#a5bfe0", "#d8a98a"],
  };
  const palette = () => (dark.matches ? PALETTE.dark : PALETTE.light);
  const ramp = () => (dark.matches ? ["#1e2229", "#1d4f91", "#6db1ff", "#e3f0ff"] : ["#f5f6f8", "#a8cdf5", "#0b62c4", "#062f61"]);
  const inkOn = (share) => (dark.matches ? (share > 0.5 ? "#10131a" : "#e8eaee") : share > 0.45 ? "#ffffff" : "#1b1f27");

  // Lines of text for a tooltip.
  function tip(...lines) {
    return h("div", {}, lines.map((line, i) => h("div", { style: i === 0 ? "font-weight:600" : "" }, line)));
  }

  // Returns a chart; option() is asked again when colors change or the width passes 600 pixels.
  function chart(description, height, option) {
    const box = h("div", { class: "chart", role: "img", "aria-label": description, style: `height:${height}px` });
    const entry = { box, option, description, drawn: null, narrow: null };
    charts.push(entry);
    return h("figure", {}, box);
  }

  function draw(entry) {
    entry.drawn ||= echarts.init(entry.box, null, { renderer: "svg" });
    entry.narrow = entry.box.clientWidth < 600;
    const ink = color("--ink");
    const soft = color("--soft");
    const line = color("--line");
    const axis = (one) => ({
      nameTextStyle: { color: soft }, nameGap: 28, nameLocation: "middle", ...one,
      axisLabel: { color: soft, hideOverlap: true, ...one.axisLabel }, axisLine: { lineStyle: { color: line } },
      axisTick: { lineStyle: { color: line } }, splitLine: { lineStyle: { color: line }, ...one.splitLine },
    });
    const option = entry.option(entry.narrow);
    for (const key of ["xAxis", "yAxis"]) {
      if (option[key]) option[key] = Array.isArray(option[key]) ? option[key].map(axis) : axis(option[key]);
    }
    entry.drawn.setOption({
      animation: false, color: palette(), textStyle: { color: ink, fontFamily: "sans-serif" },
      ...option,
      // ECharts leaves room for an axis's labels, not for its name. The shortest label takes 15 pixels.
      grid: { left: option.yAxis?.name ? option.yAxis.nameGap - 5 : 8, right: 16, top: 36, bottom: 28, containLabel: true, ...option.grid },
      legend: option.legend && { type: "scroll", top: 0, textStyle: { color: ink }, inactiveColor: soft, pageTextStyle: { color: ink }, pageIconColor: ink, pageIconInactiveColor: line, ...option.legend },
      tooltip: { confine: true, backgroundColor: color("--card"), borderColor: line, textStyle: { color: ink }, ...option.tooltip },
    }, true);
  }

  function drawAll() {
    for (const entry of charts) draw(entry);
  }

  dark.addEventListener("change", drawAll);
  const observer = new ResizeObserver((changes) => {
    for (const { target } of changes) {
      const entry = charts.find((one) => one.box === target);
      if (!entry?.drawn) continue;
      entry.drawn.resize();
      if (entry.narrow !== target.clientWidth < 600) draw(entry);
    }
  });

  // series(): [{ name, points: [[x, y]], more: what ECharts is told beside }], asked again when colors change
  function lines(description, xName, yName, series, more = {}) {
    return chart(description, more.height || 300, () => {
      const all = series();
      const format = more.format || compact;
      return {
        legend: all.length > 1 ? {} : undefined,
        grid: { top: all.length > 1 ? 36 : 12 },
        xAxis: { type: more.log ? "log" : "value", name: xName, min: more.log ? "dataMin" : (v) => Math.floor(v.min), max: "dataMax", splitLine: { show: false } },
        yAxis: { type: more.log === "both" ? "log" : "value", name: yName, nameGap: more.nameGap || 46, scale: true, axisLabel: { formatter: format } },
        tooltip: { trigger: "axis", formatter: (points) => tip(`${xName} ${compact(points[0].value[0])}`, ...points.map((p) => `${p.seriesName}: ${format(p.value[1])}`)) },
        series: all.map((one) => ({ type: "line", showSymbol: one.points.length < 40, symbolSize: 6, lineStyle: { width: 1.75 }, ...one.more, name: one.name, data: one.points })),
      };
    });
  }

  // rows: texts from the top; cells: [column, row, value]; label(value): what stands in a cell
  function heat(description, columns, rows, cells, { label, tooltip, xName, yName, square = 26, max }) {
    const most = max ?? Math.max(...cells.map((cell) => cell[2]), 1e-12);
    return chart(description, (xName ? 96 : 76) + square * rows.length, (narrow) => {
      const few = columns.length <= (narrow ? 12 : 20);
      return {
        grid: { top: 8, bottom: xName ? 32 : 14 },
        xAxis: { type: "category", data: columns, name: xName, nameGap: 26, axisLabel: { interval: columns.length > 20 ? "auto" : 0, rotate: columns.length <= (narrow ? 0 : 12) ? 0 : 40, formatter: (t) => short(t, 14) }, splitLine: { show: false } },
        yAxis: { type: "category", data: rows, inverse: true, name: yName, nameGap: 40, axisLabel: { interval: rows.length > 40 ? "auto" : 0, formatter: (t) => short(t, narrow ? 10 : 20) }, splitLine: { show: false } },
        visualMap: { show: false, dimension: 2, min: 0, max: most, inRange: { color: ramp() } },
        tooltip: { formatter: (p) => tip(...tooltip(p.value)) },
        series: [{
          type: "heatmap", itemStyle: { borderColor: color("--ground"), borderWidth: 1 },
          data: cells.map((cell) => ({ value: cell, label: { show: few, color: inkOn(cell[2] / most), formatter: label(cell[2]), fontSize: narrow ? 10 : 12 } })),
        }],
      };
    });
  }

  // --- Parts of the page ---

  const methods = data.methods;
  const main = methods.find((method) => method.main) || methods[0];
  const task = main?.metrics.task || Object.values(data.comparison?.cells[0]?.seeds || {})[0]?.task || data.manifest?.settings?.data?.task || "single-label";

  // Measures: title, and how a value is shown.
  const share = (title) => ({ title, text: (v) => percent(v), axis: (v) => percent(v, 1), share: true });
  const number = (title) => ({ title, text: (v) => (Number.isFinite(v) ? String(+v.toPrecision(5)) : "–"), axis: compact });
  const MEASURES = {
    accuracy: share("Accuracy"), balanced_accuracy: share("Balanced accuracy"), macro_f1: share("Macro F1"), auroc: share("AUROC"), ece: share("ECE"), loss: task === "regression" ? number("Loss") : { ...number("Loss"), text: (v) => fixed(v, 4) },
    top5_accuracy: share("Top-5 accuracy"), map: share("mAP"), micro_f1: share("Micro F1"), tuned_macro_f1: share("Macro F1 at the thresholds"), tuned_micro_f1: share("Micro F1 at the thresholds"),
    subset_accuracy: share("Subset accuracy"), hamming_loss: share("Hamming loss"), rmse: number("RMSE"), mae: number("MAE"), r2: number("R²"),
  };
  const SHOWN = {
    "single-label": ["accuracy", "balanced_accuracy", "macro_f1", "top5_accuracy", "auroc", "ece", "loss"],
    "multi-label": ["map", "macro_f1", "micro_f1", "tuned_macro_f1", "tuned_micro_f1", "subset_accuracy", "hamming_loss", "auroc", "ece", "loss"],
    regression: ["rmse", "mae", "r2", "loss"],
  }[task];
  // There is no mAP of more than 1,000 classes.
  const has = (key) => methods.some((method) => key in method.metrics);
  const MAIN = data.comparison?.measure || (has(SHOWN[0]) || !has("micro_f1") ? SHOWN[0] : "micro_f1");
  const LOSS = { "single-label": "Mean cross-entropy", "multi-label": "Mean binary cross-entropy", regression: "Mean squared error" }[task];
  const MEANINGS = task === "single-label" ? "Accuracies" : "Measures";
  const titleOf = (key) => MEASURES[key].title;
  const small = (title) => title.replace(/^[A-Z](?=[a-z]+(\W|$))/, (c) => c.toLowerCase()); // in a sentence
  const mainFirst = [...methods].sort((a, b) => b.main - a.main);

  function head() {
    document.title = `${data.name} – GRFT report`;
    page.append(h("h1", {}, data.name));
    const notes = [...new Set(methods.map((method) => method.metrics.note).filter(Boolean))];
    page.append(h("p", { class: "soft" }, data.directory));
    for (const note of notes) page.append(h("p", { class: "warn" }, `${MEANINGS} are ${note}.`));
    if (!main || data.comparison) return;
    const m = main.metrics;
    const cards = [
      ["Method", main.name, Number.isFinite(m.steps) ? `${whole(m.steps)} steps` : null],
      [titleOf(MAIN), MEASURES[MAIN].text(m[MAIN]), Number.isFinite(m.test_images) ? `of ${whole(m.test_images)} test images` : "not evaluated"],
      ["Trained", Number.isFinite(m.share_without_head) ? percent(m.share_without_head, 3) : "–", `of the backbone; ${whole(m.trained)} parameters with the head`],
      ["Delta", bytes(m.delta_bytes), `the whole model in fp32: ${bytes(4 * parameters(m))}`],
      ["Time", seconds(m.seconds), Object.entries(m.phases || {}).map(([phase, s]) => `${phase} ${seconds(s)}`).join(", ")],
    ];
    page.append(h("dl", { class: "cards" }, cards.map(([title, value, more]) =>
      h("div", { class: "card" }, h("dt", {}, title), h("dd", {}, value, h("small", {}, more))))));
  }

  // Numbers of the whole model; older metrics tell it by a share only.
  const parameters = (m) => m.parameters ?? m.trained / m.share;

  function results() {
    const known = mainFirst.filter((method) => Number.isFinite(method.metrics[MAIN]));
    if (known.length === 0 || data.comparison) return;
    const shown = SHOWN.filter((key) => !/^top5|^tuned/.test(key) || known.some((method) => Number.isFinite(method.metrics[key])));
    const measure = MEASURES[MAIN];
    const rows = known.map(({ name, metrics: m }) => [name, ...shown.map((key) => MEASURES[key].text(m[key])), whole(m.trained), percent(m.share_without_head, 3), m.note || ""]);
    const columns = [["Method", "text"], ...shown.map((key) => [titleOf(key)]), ["Trained, with head"], ["Share of the backbone"], ["", "text"]];
    const drawn = known.length < 2 ? [] : [chart(`${measure.title} by method: ${rows.map((r) => `${r[0]} ${r[1]}`).join(", ")}.`, 60 + 34 * known.length, () => ({
      grid: { top: 4, bottom: 24, right: 56 },
      xAxis: { type: "value", min: 0, max: measure.share ? 1 : null, axisLabel: { formatter: measure.share ? (v) => percent(v, 0) : compact } },
      yAxis: { type: "category", data: known.map((k) => k.name), inverse: true },
      tooltip: { formatter: (p) => tip(p.name, measure.text(p.value)) },
      series: [{ type: "bar", data: known.map((k) => k.metrics[MAIN]), barMaxWidth: 20, label: { show: true, position: "right", color: color("--ink"), formatter: (p) => measure.text(p.value) } }],
    }))];
    section("results", "Results", table("On the test images", columns, rows, (r) => known[r].main), ...drawn);
  }

  function pictures(list, few, describe) {
    return h("ul", { class: few ? "pictures few" : "pictures" }, list.map((one) => {
      const texts = describe(one);
      const image = one.picture ? h("img", { src: one.picture, alt: texts.alt, title: one.name, loading: "lazy" }) : null;
      image?.addEventListener("load", () => image.classList.toggle("tiny", image.naturalWidth <= 48));
      return h("li", {}, image, texts.lines.map((line) => h("span", {}, line)));
    }));
  }

  const SETS = { "data.train": "Training", "data.validation": "Validation", "data.test": "Test", predict: "Predicted" };

  function dataSet() {
    const place = (key) => Object.keys(SETS).indexOf(key.split(" ")[0]); // of an output: predict PATH
    const sets = Object.entries(data.data || {}).sort(([a], [b]) => place(a) - place(b));
    const broken = Object.entries(data.broken || {});
    if (sets.length === 0 && broken.length === 0) return;
    const title = (key) => (key.startsWith("predict ") ? `${SETS.predict}: ${key.slice(8)}` : SETS[key] || key);
    const brokenIn = Object.fromEntries(broken);
    const parts = [];
    if (sets.length > 0) {
      parts.push(table("Sets of images", [["Set", "text"], ["Images"], ["Classes"], ["Broken, left out"], ["Files ignored"], ["Path", "text"]],
        sets.map(([key, set]) => [title(key), whole(set.images), whole(Object.keys(set.classes).length || NaN), whole(set.broken ?? brokenIn[key]?.count ?? NaN), whole(set.passedOver ?? NaN), set.path])));
      for (const [key, set] of sets) {
        if (set.passedOver > 0) parts.push(table(`${title(key)}: ${whole(set.passedOver)} files were ignored`, [["Reason", "text"], ["Files"]], Object.entries(set.passedOverBy).map(([reason, files]) => [reason, whole(files)])));
        for (const note of set.notes || []) parts.push(h("p", {}, note));
      }
    }
    if (data.earlier) parts.push(h("p", {}, `${whole(data.earlier)} earlier outputs of predict are left out; the files predict-….json have them.`));
    const labeled = sets.filter(([, set]) => Object.keys(set.classes).length > 0);
    if (labeled.length > 0) {
      const names = [...new Set(labeled.flatMap(([, set]) => Object.keys(set.classes)))];
      const ordered = (names.length <= 40 ? names : names.sort((a, b) => (labeled[0][1].classes[b] || 0) - (labeled[0][1].classes[a] || 0))).slice(0, 1000);
      const part = ordered.length < names.length ? `: the ${whole(ordered.length)} of ${whole(names.length)} classes with the most images; data.json has all` : "";
      parts.push(h("h3", {}, `Images of each class${part}`),
        chart(`Images of each of ${ordered.length} classes; the numbers stand in the table below.`, 280, (narrow) => ({
          legend: labeled.length > 1 ? {} : undefined,
          grid: { top: labeled.length > 1 ? 36 : 12, bottom: 8 },
          xAxis: { type: "category", data: ordered, axisLabel: { rotate: names.length > (narrow ? 5 : 14) || narrow ? 50 : 0, interval: names.length <= 40 ? 0 : "auto", formatter: (t) => short(t, 14) } },
          yAxis: { type: "value", name: "images", nameGap: 44 },
          tooltip: { trigger: "axis", formatter: (points) => tip(points[0].name, ...points.map((p) => `${p.seriesName}: ${whole(p.value)}`)) },
          series: labeled.map(([key, set]) => ({ name: title(key), type: "bar", barMaxWidth: 28, data: ordered.map((name) => set.classes[name] || 0) })),
        })),
        numbers("Numbers", table(`Images of each class${part}`, [["Class", "text"], ...labeled.map(([key]) => [title(key)])],
          ordered.map((name) => [name, ...labeled.map(([, set]) => whole(set.classes[name] || 0))]))));
    }
    for (const [key, set] of sets) {
      if (!set.pictures?.length) continue;
      const what = `${title(key)}: ${Object.keys(set.classes).length === 0 ? "some images" : `the first images of ${set.pictures.length < Object.keys(set.classes).length ? "some classes" : "each class"}`}, as prepared`;
      const shown = pictures(set.pictures, false, (one) => ({ alt: `${title(key)} image of class ${one.label}`, lines: [one.label] }));
      parts.push(...(key === sets[0][0] ? [h("h3", {}, what), shown] : [numbers(what, shown)]));
    }
    for (const [key, set] of broken) {
      if (set.count === 0) continue;
      parts.push(table(`${title(key)}: ${whole(set.count)} of ${whole(set.images)} images could not be decoded${set.count > set.first.length ? `, the first ${set.first.length} of them` : ""}`,
        [["Image", "text"], ["Reason", "text"]], set.first));
    }
    if (broken.length > 0 && broken.every(([, set]) => set.count === 0)) parts.push(h("p", {}, "No image is broken."));
    section("data-set", "Images", ...parts);
  }

  function training() {
    const trained = mainFirst.filter((method) => method.history?.steps.length);
    if (trained.length === 0) return;
    const of = (index) => trained.map((method) => ({ name: method.name, points: method.history.steps.map((row) => [row[0], row[index]]) }));
    const last = trained.map((method) => `${method.name} ends at ${fixed(method.history.steps.at(-1)[1], 3)}`).join(", ");
    const smooth = (points) => {
      const known = points.filter(([, y]) => y !== null);
      let mean = known[0]?.[1];
      return known.map(([x, y]) => [x, (mean += (y - mean) * Math.min(1, 12 / points.length))]);
    };
    const parts = [h("div", { class: "columns" },
      h("div", {}, h("h3", {}, "Loss of the batches"),
        h("p", { class: "soft" }, `${LOSS} before each update; thin: as it was, thick: a moving mean.`),
        lines(`Training loss by step: ${last}.`, "step", "loss", () => of(1).flatMap((one, i) => [[smooth(one.points), 2.5, 1], [one.points, 1, 0.4]].map(([points, width, opacity]) => (
          { name: one.name, points, more: { showSymbol: false, itemStyle: { color: palette()[i % 8] }, lineStyle: { width, opacity, color: palette()[i % 8] } } }))))),
      h("div", {}, h("h3", {}, "Learning rate"), h("p", { class: "soft" }, "Of each step."),
        lines("Learning rate by step.", "step", "learning rate", () => of(2), { nameGap: 52 })))];
    const judged = trained.filter((method) => method.history.epochs.length);
    if (judged.length > 0) {
      for (const key of [...new Set([MAIN, ...judged.map(watched)])]) {
        const measure = MEASURES[key];
        const some = judged.filter((method) => key === MAIN || watched(method) === key);
        const pins = (method) => (watched(method) === key ? method.history.epochs.filter((e) => e.best).slice(-1) : []);
        parts.push(h("h3", {}, `${measure.title} after each epoch, on the ${judged[0].history.epochs[0].split} images`),
          some.some((method) => pins(method).length) ? h("p", { class: "soft" }, `The pin marks the epoch that was chosen by the ${small(measure.title)}.`) : null,
          lines(`${measure.title} by epoch; the numbers stand in the table below.`, "epoch", measure.title, () => some.map((method) => ({
            name: method.name, points: method.history.epochs.filter((e) => Number.isFinite(e[key])).map((e) => [e.epoch, e[key]]),
            more: { symbolSize: 8, markPoint: { symbol: "pin", symbolSize: 24, label: { show: false }, data: pins(method).map((e) => ({ coord: [e.epoch, e[key]] })) } },
          })), { format: measure.axis, nameGap: measure.share ? 60 : 46 }));
      }
    }
    const byEpoch = SHOWN.filter((key) => !/^top5|^tuned|^ece/.test(key));
    parts.push(numbers("Numbers", ...trained.map((method) => {
      const rows = method.history.steps;
      const some = rows.filter((_, i) => i === rows.length - 1 || i % Math.ceil(rows.length / 20) === 0);
      return table(method.name, [["Step"], ["Loss"], ["Learning rate"], ["Seconds"], ["of which waiting for images"]],
        some.map((row) => [whole(row[0]), fixed(row[1], 4), row[2].toExponential(2), fixed(row[3], 3), fixed(row[4], 4)]));
    }), ...judged.map((method) => table(`${method.name}, by epoch`, [["Epoch"], ...byEpoch.map((key) => [titleOf(key)]), ["", "text"]],
      method.history.epochs.map((e) => [compact(e.epoch), ...byEpoch.map((key) => MEASURES[key].text(e[key])), e.best ? "best so far" : ""])))));
    section("training", "Training", ...parts);
  }

  function rates() {
    if (!data.rates?.length) return;
    section("rates", "Learning rates tried", ...data.rates.flatMap((one) => {
      const marks = [["suggested", one.suggested], ["as large as at the start", one.blows_up]].filter(([, rate]) => rate);
      return [
        h("p", {}, one.summary),
        lines(one.summary, "learning rate", "loss", () => [
          { name: "mean of the steps around", points: one.steps.map((step) => [step[0], step[2]]), more: { showSymbol: false, lineStyle: { width: 2.5 },
            markLine: { symbol: "none", label: { formatter: (mark) => mark.name }, data: marks.map(([name, rate]) => ({ name, xAxis: rate })) } } },
          { name: "loss of the batch", points: one.steps.map((step) => [step[0], step[1]]), more: { showSymbol: false, lineStyle: { width: 1, opacity: 0.5 } } },
        ], { log: "x", format: (v) => fixed(v, 2) }),
        numbers("Numbers", table(one.method, [["Learning rate"], ["Loss"], ["Mean of the steps around"]],
          one.steps.filter((_, i) => i % 5 === 0).map((step) => [step[0].toExponential(1), fixed(step[1], 4), fixed(step[2], 4)]))),
      ];
    }));
  }
  const watched = (method) => method.history.epochs[0].watched || MAIN;

  function evaluation() {
    const known = mainFirst.filter((method) => method.confusion?.classes.length || method.results?.total);
    if (known.length === 0) return;
    const place = h("div", {});
    const show = (i) => {
      drop(place);
      place.replaceChildren(...evaluationOf(known[i]));
      drawIn(place);
    };
    section("evaluation", task === "regression" ? "By target" : "By class", known.length > 1 ? select("Method", known.map((method) => method.name), show) : null, place);
    place.replaceChildren(...evaluationOf(known[0]));
  }

  function drop(place) {
    for (let i = charts.length - 1; i >= 0; i--) {
      if (place.contains(charts[i].box)) {
        observer.unobserve(charts[i].box);
        charts[i].drawn?.dispose();
        charts.splice(i, 1);
      }
    }
  }

  function drawIn(place) {
    for (const entry of charts) {
      if (place.contains(entry.box)) {
        draw(entry);
        observer.observe(entry.box);
      }
    }
  }

  function evaluationOf(method) {
    return task === "multi-label" ? setsOf(method) : task === "regression" ? valuesOf(method) : classesOf(method);
  }

  const drawnMistakes = (method, title, describe, order) => [h("h3", {}, title), order ? h("p", { class: "soft" }, order) : null,
    method.mistakes?.length ? pictures(method.mistakes, true, describe) : h("p", {}, "There are none.")];

  // Calibration: bins of [predictions, mean probability, share of true ones].
  const binName = (bins, b) => `${Math.round((100 * b) / bins.length)}–${Math.round((100 * (b + 1)) / bins.length)} %`;

  const certainty = (bins, unit, share) => (bins.length === 0 ? null
    : table("By certainty", [["Probability", "text"], [unit], ["Mean probability"], [share]], bins.map(([count, sure, right], b) => [binName(bins, b), whole(count), count ? percent(sure, 1) : "–", count ? percent(right, 1) : "–"])));

  function reliability(bins, words) {
    if (bins.length === 0) return [];
    const x = (narrow) => ({ type: "category", data: bins.map((_, b) => binName(bins, b)), name: words.axis, nameGap: 26, axisLabel: { interval: narrow ? 4 : 2 } });
    return [
      h("div", {}, h("h3", {}, "Reliability"),
        h("p", { class: "soft" }, words.text),
        chart(`Reliability diagram: ${words.description}.`, 300, (narrow) => ({
          legend: {}, grid: { top: 36, bottom: 36 },
          xAxis: x(narrow),
          yAxis: { type: "value", min: 0, max: 1, name: words.share, nameGap: 44, axisLabel: { formatter: (v) => percent(v, 0) } },
          tooltip: { trigger: "axis", formatter: ([p]) => tip(`${whole(bins[p.dataIndex][0])} ${words.unit} ${binName(bins, p.dataIndex)} sure`, `mean probability ${percent(bins[p.dataIndex][1], 1)}`, `${words.share} ${percent(bins[p.dataIndex][2], 1)}`) },
          series: [
            { name: words.share, type: "bar", barCategoryGap: "8%", data: bins.map(([count, , right]) => (count ? right : null)) },
            { name: "mean probability", type: "line", symbolSize: 7, lineStyle: { type: "dashed" }, connectNulls: true, data: bins.map(([count, sure]) => (count ? sure : null)) },
          ],
        }))),
      h("div", {}, h("h3", {}, words.title),
        h("p", { class: "soft" }, `${words.counts}, in the same bins.`),
        chart(`${words.counts}; the numbers stand in the table below.`, 300, (narrow) => ({
          grid: { top: 12, bottom: 36 },
          xAxis: x(narrow),
          yAxis: { type: words.log ? "log" : "value", min: words.log ? 0.5 : null, name: words.unit, nameGap: 50, axisLabel: { formatter: whole } },
          tooltip: { trigger: "axis", formatter: ([p]) => tip(binName(bins, p.dataIndex), `${whole(bins[p.dataIndex][0])} ${words.unit}`) },
          series: [{ type: "bar", barCategoryGap: "8%", data: bins.map(([count]) => (words.log && count === 0 ? null : count)) }],
        }))),
    ];
  }

  // Of several labels.
  function setsOf(method) {
    const { total, classes, curve } = method.results;
    const of = method.evaluation;
    const bins = method.calibration || [];
    const tuned = Number.isFinite(of.tuned_macro_f1);
    const known = classes.filter((row) => Number.isFinite(row[2]));
    const worst = [...known].sort((a, b) => a[2] - b[2]).slice(0, 40);
    const f1 = (row) => row[7];
    return [
      h("p", {}, `${whole(of.examples)} images, ${fixed(of.classes_per_image, 2)} classes each. ${tuned
        ? "Precision, recall and F1 are at each class's own threshold, which has the best F1 on the validation images."
        : `Precision, recall and F1 are at a threshold of 0.5: ${"map" in of ? "there were no validation images to choose thresholds on" : "thresholds are chosen for up to 1,000 classes"}.`}`),
      h("div", { class: "columns" },
        worst.length === 0 ? null : h("div", {}, h("h3", {}, "Average precision of each class"),
          h("p", { class: "soft" }, `The worst first.${worst.length < total ? ` ${worst.length} of ${whole(total)} classes, none without images.` : ""}`),
          chart(`Average precision of each class, the worst first: ${worst.slice(0, 3).map((row) => `${row[0]} ${percent(row[2], 1)}`).join(", ")}.`, 40 + Math.max(18, 30 - worst.length / 4) * worst.length, (narrow) => ({
            grid: { top: 4, bottom: 24, right: 52 },
            xAxis: { type: "value", min: 0, max: 1, axisLabel: { formatter: (v) => percent(v, 0) } },
            yAxis: { type: "category", inverse: true, data: worst.map((row) => row[0]), axisLabel: { interval: 0, formatter: (t) => short(t, narrow ? 12 : 22) } },
            tooltip: { formatter: (p) => tip(p.name, `average precision ${percent(p.value, 1)}`, `${whole(worst[p.dataIndex][1])} images`) },
            series: [{ type: "bar", barMaxWidth: 18, data: worst.map((row) => row[2]), label: { show: true, position: "right", color: color("--ink"), formatter: (p) => percent(p.value, 1) } }],
          }))),
        h("div", {}, h("h3", {}, "F1 and threshold of each class"),
          h("p", { class: "soft" }, "A point for each class; far to the left: it is rarely sure, and a low threshold finds it."),
          chart(`F1 by threshold, a point for each of ${classes.length} classes; the numbers stand in the table below.`, 300, () => ({
            grid: { top: 12, bottom: 36 },
            xAxis: { type: "value", min: 0, max: 1, name: "threshold", nameGap: 26 },
            yAxis: { type: "value", min: 0, max: 1, name: "F1", nameGap: 44, axisLabel: { formatter: (v) => percent(v, 0) } },
            tooltip: { formatter: (p) => tip(p.value[2], `F1 ${percent(p.value[1], 1)} at ${fixed(p.value[0], 3)}`) },
            series: [{ type: "scatter", symbolSize: 9, itemStyle: { opacity: 0.7 }, data: classes.map((row) => [row[4], f1(row), row[0]]) }],
          }))),
        curve?.length ? h("div", {}, h("h3", {}, "Precision and recall"),
          h("p", { class: "soft" }, "Of all classes together, as one threshold for all of them falls."),
          chart("Precision by recall of all classes together, at falling thresholds.", 300, () => ({
            grid: { top: 12, bottom: 36 },
            xAxis: { type: "value", min: 0, max: 1, name: "recall", nameGap: 26, axisLabel: { formatter: (v) => percent(v, 0) } },
            yAxis: { type: "value", min: 0, max: 1, name: "precision", nameGap: 44, axisLabel: { formatter: (v) => percent(v, 0) } },
            tooltip: { trigger: "axis", formatter: ([p]) => tip(`threshold ${fixed(p.value[2], 3)}`, `precision ${percent(p.value[1], 1)}`, `recall ${percent(p.value[0], 1)}`) },
            series: [{ type: "line", showSymbol: false, lineStyle: { width: 2 }, data: curve.map(([threshold, precision, recall]) => [recall, precision, threshold]) }],
          }))) : null,
        ...reliability(bins, {
          text: `All pairs of an image and a class, in ${bins.length} bins of the probability of the class; bars: how many of the images show it. A bar below the line: too sure. ECE, the mean gap: ${percent(of.ece)}.`,
          description: `share of pairs whose image shows the class, by the probability of the class; expected calibration error ${percent(of.ece)}`,
          axis: "probability of the class", share: "shown", unit: "pairs", log: true,
          title: "How sure the model is", counts: "Pairs of an image and a class by the probability of the class, on a logarithmic axis",
        })),
      numbers("Numbers", table(classes.length < total ? `By class: ${whole(classes.length)} of ${whole(total)} classes, those of the least ${"map" in of ? "average precision" : "F1"}; evaluation.json has all` : "By class",
        [["Class", "text"], ["Images"], ["Average precision"], ["AUROC"], ["Threshold"], ["Precision"], ["Recall"], ["F1"], ["ECE"]],
        classes.map(([name, count, ap, area, threshold, p, r, f, ece]) => [name, whole(count), percent(ap, 1), percent(area, 1), fixed(threshold, 3), percent(p, 1), count ? percent(r, 1) : "–", percent(f, 1), percent(ece, 1)])
          .concat([["Mean of the classes (macro)", whole(of.examples), percent(of.map, 1), percent(of.auroc, 1), "", ...["precision", "recall", "f1"].map((key) => percent(of[`${tuned ? "tuned_" : ""}macro_${key}`], 1)), "–"],
            ["All together (micro)", whole(of.examples), "–", "–", "", ...["precision", "recall", "f1"].map((key) => percent(of[`${tuned ? "tuned_" : ""}micro_${key}`], 1)), percent(of.ece, 1)]])), certainty(bins, "Pairs", "Shown")),
      ...drawnMistakes(method, "The mistakes with the largest loss", (one) => {
        const missed = one.labels.filter((name) => !one.predicted.includes(name));
        const wrong = one.predicted.filter((name) => !one.labels.includes(name));
        const list = (names) => short(names.join(", "), 60) || "none";
        return {
          alt: `Image of ${list(one.labels)}, said to show ${list(one.predicted)}`,
          lines: [missed.length ? `missed: ${list(missed)}` : null, wrong.length ? `wrongly said: ${list(wrong)}` : null, h("span", { class: "soft" }, `shows ${list(one.labels)}; loss ${fixed(one.loss, 3)}`), h("span", { class: "soft" }, shortPath(one.name, 60))].filter(Boolean),
        };
      }),
    ];
  }

  // Of values: plots of one target at a time.
  function valuesOf(method) {
    const { total, targets } = method.results;
    const place = h("div", {});
    const text = MEASURES.rmse.text;
    const plots = (target) => {
      const { scatter, residuals } = target;
      if (!scatter) return [h("p", {}, "A value is no number; there is no plot.")];
      const bins = residuals.counts.length;
      const at = (axis, bin) => axis.from + bin * axis.width;
      const most = Math.max(...scatter.cells.map((cell) => cell[2]));
      const low = scatter.from;
      const high = at(scatter, bins);
      return [h("div", { class: "columns" },
        h("div", {}, h("h3", {}, "Predicted by true value"),
          h("p", { class: "soft" }, "Images in bins, the more the stronger the color; on the line they are right."),
          chart(`Predicted by true ${target.name}, images in bins; R² ${text(target.r2)}.`, 360, () => ({
            grid: { top: 12, bottom: 36 },
            xAxis: { type: "value", min: low, max: high, name: `true ${short(target.name, 30)}`, nameGap: 26, axisLabel: { formatter: compact, showMinLabel: false, showMaxLabel: false }, splitLine: { show: false } },
            yAxis: { type: "value", min: low, max: high, name: `predicted ${short(target.name, 30)}`, nameGap: 52, axisLabel: { formatter: compact, showMinLabel: false, showMaxLabel: false }, splitLine: { show: false } },
            tooltip: { formatter: (p) => (p.seriesType === "custom" ? tip(`true ${compact(at(scatter, p.value[0]))} to ${compact(at(scatter, p.value[0] + 1))}`, `predicted ${compact(at(scatter, p.value[1]))} to ${compact(at(scatter, p.value[1] + 1))}`, `${whole(p.value[2])} images`) : "") },
            series: [
              { type: "custom", data: scatter.cells, encode: { x: -1, y: -1 }, renderItem: (params, api) => {
                const [x, y] = api.coord([at(scatter, api.value(0)), at(scatter, api.value(1) + 1)]);
                const [width, height] = api.size([scatter.width, scatter.width]);
                return { type: "rect", shape: { x, y, width: Math.ceil(width), height: Math.ceil(height) }, style: { fill: palette()[0], opacity: 0.25 + 0.75 * (api.value(2) / most) } };
              } },
              { type: "line", showSymbol: false, silent: true, lineStyle: { type: "dashed", width: 1.5, color: color("--soft") }, data: [[low, low], [high, high]] },
            ],
          }))),
        h("div", {}, h("h3", {}, "Errors"),
          h("p", { class: "soft" }, `Images by predicted minus true value; mean ${text(target.bias)}.`),
          chart(`Images by the error of ${target.name}; RMSE ${text(target.rmse)}, mean ${text(target.bias)}.`, 360, () => ({
            grid: { top: 12, bottom: 36 },
            xAxis: { type: "category", data: residuals.counts.map((_, b) => compact(at(residuals, b + 0.5))), name: "predicted minus true", nameGap: 26, axisLabel: { interval: "auto" } },
            yAxis: { type: "value", name: "images", nameGap: 50 },
            tooltip: { trigger: "axis", formatter: ([p]) => tip(`${compact(at(residuals, p.dataIndex))} to ${compact(at(residuals, p.dataIndex + 1))}`, `${whole(p.value)} images`) },
            series: [{ type: "bar", barCategoryGap: "8%", data: residuals.counts }],
          }))))];
    };
    const show = (i) => { drop(place); place.replaceChildren(...plots(targets[i])); drawIn(place); };
    place.replaceChildren(...plots(targets[0]));
    return [
      table(targets.length < total ? `The first ${targets.length} of ${whole(total)} targets; evaluation.json has all` : `On ${whole(method.evaluation.examples)} test images`,
        [["Target", "text"], ["RMSE"], ["MAE"], ["R²"], ["Mean error"], ["Mean of the true values"], ["Their deviation"]],
        targets.map((t) => [t.name, ...["rmse", "mae", "r2", "bias", "mean", "deviation"].map((key) => text(t[key]))])),
      targets.length > 1 ? select("Target", targets.map((t) => t.name), show) : null, place,
      ...drawnMistakes(method, "The largest errors", (one) => ({
        alt: `Image of ${JSON.stringify(one.values)}, predicted ${JSON.stringify(one.predicted)}`,
        lines: [...Object.keys(one.values).slice(0, 4).map((name) => `${short(name, 20)}: ${text(one.predicted[name])} for ${text(one.values[name])}`),
          Number.isFinite(one.deviations) ? h("span", { class: "soft" }, `${fixed(one.deviations, 2)} deviations off`) : null, h("span", { class: "soft" }, shortPath(one.name, 60))].filter(Boolean),
      }), total === 1 ? null : method.mistakes?.some((one) => "deviations" in one)
        ? "Each error is divided by the standard deviation of the target's training values; the largest root mean square over the targets comes first. The values shown are in the targets' own units."
        : "By the mean squared error over the targets, each in its own unit, so targets of large values come first: this delta does not tell the deviations of its training values."),
    ].filter(Boolean);
  }

  // Of one class each.
  function classesOf(method) {
    const { total, classes, shown, cells, confused } = method.confusion;
    const images = Object.fromEntries(classes.map(([name, count]) => [name, count]));
    const share = cells.map(([actual, predicted, count]) => [predicted, actual, images[shown[actual]] ? count / images[shown[actual]] : 0, count]);
    const worst = classes.filter((row) => row[1] > 0).sort((a, b) => a[3] - b[3]).slice(0, 40);
    const most = confused[0];
    const of = method.evaluation;
    const averages = Number.isFinite(of.macro_precision) ? [
      ["Mean of the classes (macro)", whole(of.examples), percent(of.macro_precision, 1), percent(of.macro_recall, 1), percent(of.macro_f1, 1), percent(of.auroc, 1)],
      ["Weighted by images", whole(of.examples), percent(of.weighted_precision, 1), percent(of.accuracy, 1), percent(of.weighted_f1, 1), "–"]] : [];
    const bins = method.calibration || [];
    const parts = [h("div", { class: "columns" },
      h("div", {}, h("h3", {}, "Confusion"),
        h("p", { class: "soft" }, `Of the images of a class (row), how many are taken for which (column), %.${shown.length < total ? ` The ${shown.length} of ${whole(total)} classes with the most mistakes.` : ""}`),
        heat(`Confusion matrix of ${shown.length} classes.${most ? ` The most frequent mistake: ${most[0]} taken for ${most[1]}, ${most[2]} times.` : ""}`, shown, shown, share, {
          label: (v) => (v >= 0.005 ? (100 * v).toFixed(0) : ""), max: 1, square: shown.length > 20 ? 15 : 30,
          tooltip: (v) => [`${shown[v[1]]} → ${shown[v[0]]}`, `${whole(v[3])} images, ${percent(v[2], 1)} of the class`],
        })),
      h("div", {}, h("h3", {}, "Accuracy of each class"),
        h("p", { class: "soft" }, `Of its images, how many are recognized; the worst first.${worst.length < total ? ` ${worst.length} of ${whole(total)} classes, none without images.` : ""}`),
        chart(`Accuracy of each class, the worst first: ${worst.slice(0, 3).map((row) => `${row[0]} ${percent(row[3], 1)}`).join(", ")}.`, 40 + Math.max(18, 30 - worst.length / 4) * worst.length, (narrow) => ({
          grid: { top: 4, bottom: 24, right: 52 },
          xAxis: { type: "value", min: 0, max: 1, axisLabel: { formatter: (v) => percent(v, 0) } },
          yAxis: { type: "category", inverse: true, data: worst.map((row) => row[0]), axisLabel: { interval: 0, formatter: (t) => short(t, narrow ? 12 : 22) } },
          tooltip: { formatter: (p) => tip(p.name, `${percent(p.value, 1)} of ${whole(worst[p.dataIndex][1])} images`) },
          series: [{ type: "bar", barMaxWidth: 18, data: worst.map((row) => row[3]), label: { show: true, position: "right", color: color("--ink"), formatter: (p) => percent(p.value, 1) } }],
        }))),
      ...reliability(bins, {
        text: `How sure the predictions are, in ${bins.length} bins of their probability; bars: how many are right. A bar below the line: too sure. ECE, the mean gap: ${percent(of.ece)}.`,
        description: `share of right predictions by their probability; expected calibration error ${percent(of.ece)}`,
        axis: "probability of the prediction", share: "right", unit: "images",
        title: "How sure the predictions are", counts: "Images by the probability of their prediction",
      })),
    numbers("Numbers",
      table(classes.length < total ? `By class: ${whole(classes.length)} of ${whole(total)} classes, those recognized worst; evaluation.json has all` : "By class", [["Class", "text"], ["Images"], ["Precision"], ["Recall"], ["F1"], ["AUROC"]], classes.map(([name, count, p, r, f1, auroc]) => [name, whole(count), percent(p, 1), count ? percent(r, 1) : "–", percent(f1, 1), percent(auroc, 1)]).concat(averages)),
      certainty(bins, "Images", "Right"),
      table("Most frequent mistakes", [["Class", "text"], ["Taken for", "text"], ["Images"]], confused.map(([a, b, n]) => [a, b, whole(n)])))];
    parts.push(h("h3", {}, "The most confident mistakes"));
    if (method.mistakes?.length) {
      parts.push(pictures(method.mistakes, true, (one) => ({
        alt: `Image of class ${one.label}, taken for ${one.predicted}`,
        lines: [`${one.label}, taken for ${one.predicted}`, h("span", { class: "soft" }, `${percent(one.probability, 1)} sure; its class ${percent(one.probability_of_label, 1)}`), h("span", { class: "soft" }, shortPath(one.name, 60))],
      })));
    } else {
      parts.push(h("p", {}, method.mistakes ? "There are none." : "Not listed: evaluated by an older version; evaluate again with --force."));
    }
    return parts;
  }

  function byPlace(matrices, value) {
    const kinds = [...new Set(matrices.map((m) => m.kind))];
    const blocks = [...new Set(matrices.map((m) => m.block))];
    return { kinds, blocks, cells: matrices.map((m) => [kinds.indexOf(m.kind), blocks.indexOf(m.block), value(m)]) };
  }

  const blockName = (block) => (block === "-" ? "before" : block);

  function selection() {
    const s = data.selection;
    if (!s || s.matrices.length === 0) return;
    const shares = byPlace(s.matrices, (m) => m.score_share);
    const picks = byPlace(s.matrices, (m) => m.picks || 0);
    const rowsOfBlocks = shares.blocks.map(blockName);
    const top = [...s.matrices].sort((a, b) => b.score_share - a.score_share)[0];
    const picked = s.matrices.filter((m) => m.picks);
    const parts = [
      h("p", {}, `${whole(s.slices)} slices, ${whole(s.trained)} parameters, ${percent(s.trained / s.parameters, 3)} of the backbone; scored on ${whole(s.examples)} images.`),
      h("div", { class: "columns" },
        h("div", {}, h("h3", {}, "Where the score is"), h("p", { class: "soft" }, "Each matrix's share of all scores, %: encoder block (row) and kind of matrix (column)."),
          heat(`Share of the scores by encoder block and kind of matrix; the largest is ${top.name} with ${percent(top.score_share, 1)}.`, shares.kinds, rowsOfBlocks, shares.cells, {
            label: (v) => (100 * v).toFixed(1), yName: "encoder block", square: 30,
            tooltip: (v) => [`${shares.kinds[v[0]]}, block ${rowsOfBlocks[v[1]]}`, `${percent(v[2], 2)} of the scores`],
          })),
        h("div", {}, h("h3", {}, "Where the picks are"), h("p", { class: "soft" }, "Selected rows or columns of each matrix."),
          heat(`Selected slices by encoder block and kind of matrix: ${whole(s.slices)} in ${picked.length} of ${s.matrices.length} matrices.`, picks.kinds, rowsOfBlocks, picks.cells, {
            label: (v) => whole(v), yName: "encoder block", square: 30,
            tooltip: (v) => [`${picks.kinds[v[0]]}, block ${rowsOfBlocks[v[1]]}`, `${whole(v[2])} slices`],
          }))),
      numbers("Numbers", table("By matrix", [["Matrix", "text"], ["out × in"], ["Share of scores"], ["Picks"], ["Their share of the matrix's score"], ["Which", "text"]],
        s.matrices.map((m) => [m.name, `${m.out} × ${m.in}`, percent(m.score_share, 2), m.picks ? `${m.picks} ${m.axis}` : "0", m.picks ? percent(m.held, 1) : "–",
          m.indices ? m.indices.join(", ") + (m.picks > m.indices.length ? ", …" : "") : ""]))),
    ];
    const place = h("div", {});
    const spectrum = (m) => [lines(
      `Scores of the rows and columns of ${m.name}, sorted. The largest row has ${compact(m.rows[0][1])} times the mean, the largest column ${compact(m.columns[0][1])} times.`,
      "rank", "score / mean", () => ["rows", "columns"].map((axis) => ({
        name: axis, points: m[axis].filter((pair) => pair[1] > 0),
        more: m.axis === axis ? { markArea: { silent: true, itemStyle: { opacity: 0.25, color: color("--soft") }, label: { color: color("--ink"), position: "insideTop", formatter: `${m.picks} picked` }, data: [[{ xAxis: 1 }, { xAxis: Math.max(m.picks, 1.15) }]] } } : {},
      })), { log: "both" })];
    const order = [...s.matrices].sort((a, b) => b.score_share - a.score_share);
    parts.push(h("h3", {}, "How steep the scores are"),
      h("p", { class: "soft" }, "Scores of the rows and of the columns of a matrix over their mean, the largest first; both axes logarithmic. Steep: few slices have most of the score. Matrices by score:"),
      select("Matrix", order.map((m) => m.name), (i) => { drop(place); place.replaceChildren(...spectrum(order[i])); drawIn(place); }), place);
    place.replaceChildren(...spectrum(order[0]));
    if (s.again.length > 0) {
      parts.push(table("Selected again during training: how many slices are the same as at first (Jaccard)", [["Part"], ["Slices"], ["The same"]], s.again.map((a) => [whole(a.part), whole(a.slices), fixed(a.jaccard, 3)])));
    }
    section("selection", "What was selected", ...parts);
  }

  // A bar for each row, of its seconds in each phase, of(row, phase).
  function phaseBars(description, xName, rows, phases, of) {
    return chart(description, 70 + 30 * rows.length, (narrow) => ({
      legend: {}, grid: { top: 34, bottom: 28 },
      xAxis: { type: "value", name: xName, nameGap: 26 },
      yAxis: { type: "category", inverse: true, data: rows, axisLabel: { interval: 0, formatter: (t) => short(t, narrow ? 20 : 30) } },
      tooltip: { formatter: (p) => tip(p.name, `${p.seriesName}: ${seconds(p.value)}`) },
      series: phases.map((phase) => ({ name: phase, type: "bar", stack: "all", barMaxWidth: 20, data: rows.map((_, row) => of(row, phase) || 0) })),
    }));
  }

  function cost() {
    const known = mainFirst.filter((method) => method.metrics.phases);
    if (known.length === 0 || data.comparison) return;
    const phases = [...new Set(known.flatMap((method) => Object.keys(method.metrics.phases)))];
    const rows = known.map(({ name, metrics: m }) => [name, ...phases.map((phase) => seconds(m.phases[phase])), seconds(m.seconds), milliseconds(m.seconds_per_step),
      percent(m.input_share, 1), bytes(m.bytes_per_step), bytes(m.live_memory_bytes), bytes(m.delta_bytes), percent(m.delta_bytes / (4 * parameters(m)), 2)]);
    section("cost", "Cost",
      phaseBars(`Seconds of each phase by method: ${known.map((method) => `${method.name} ${seconds(method.metrics.seconds)}`).join(", ")}.`, "seconds",
        known.map((method) => method.name), phases, (row, phase) => known[row].metrics.phases[phase]),
      table("By method", [["Method", "text"], ...phases.map((phase) => [phase]), ["All"], ["A step"], ["waiting for images"], ["Sent a step"], ["Live memory"], ["Delta"], ["of the model in fp32"]], rows, (r) => known[r].main),
      h("p", { class: "soft" }, "Sent a step: the trained parameters to an executor and a gradient from each shard. Live memory is measured in local mode only: what is left of the heap after a collection, and the most native memory."));
  }

  // A point for each cell, a line for the budgets of a method, bars of a standard deviation; what trains nothing but the head is a level line.
  function againstParameters(cells, measure, { meanOf, name, value, deviationOf, trainedOf }) {
    const points = cells.filter((cell) => trainedOf(cell) > 0 && Number.isFinite(meanOf(cell)));
    const level = cells.find((cell) => trainedOf(cell) === 0 && Number.isFinite(meanOf(cell)));
    if (points.length < 2) return [];
    const names = [...new Set(points.map((cell) => cell.method))];
    const of = (method) => points.filter((cell) => cell.method === method).sort((a, b) => trainedOf(a) - trainedOf(b));
    const bars = points.filter((cell) => Number.isFinite(deviationOf(cell)));
    const SYMBOLS = ["circle", "rect", "triangle", "diamond", "emptyCircle", "emptyRect", "emptyTriangle", "emptyDiamond"];
    return [h("h3", {}, `${measure.title} against trained parameters`),
      h("p", { class: "soft" }, "Trained parameters without the head, logarithmic." + (bars.length ? " Bars are one standard deviation over the seeds." : "") + (level ? ` The dashed line is ${level.method}, which trains the head alone.` : "")),
      chart(`${measure.title} against trained parameters: ${points.map((cell) => `${name(cell)} ${whole(trainedOf(cell))} parameters, ${value(cell)}`).join("; ")}.`, 380, () => ({
        legend: { data: names }, grid: { top: 40, right: 24 },
        xAxis: { type: "log", name: "trained parameters", min: (v) => v.min / 1.5, max: (v) => v.max * 1.5, splitLine: { show: false }, axisLabel: { showMinLabel: false, showMaxLabel: false, formatter: (v) => rough.format(v) } },
        yAxis: { type: "value", name: small(measure.title), nameGap: 60, scale: true, min: level ? (v) => Math.min(meanOf(level), v.min) - 0.05 * (v.max - Math.min(meanOf(level), v.min)) : null, axisLabel: { showMinLabel: !level, formatter: measure.axis } },
        tooltip: { formatter: (p) => (p.data.cell ? tip(name(p.data.cell), `${whole(trainedOf(p.data.cell))} trained`, value(p.data.cell)) : "") },
        series: [
          ...names.map((method, i) => ({
            name: method, type: "line", symbol: SYMBOLS[i % SYMBOLS.length], symbolSize: 11, lineStyle: { width: 1.5 },
            data: of(method).map((cell) => ({ value: [trainedOf(cell), meanOf(cell)], cell })),
            markLine: i === 0 && level ? { silent: true, symbol: "none", lineStyle: { type: "dashed", color: color("--soft") }, label: { color: color("--ink"), position: "insideEndTop", formatter: level.method }, data: [{ yAxis: meanOf(level) }] } : undefined,
          })),
          {
            type: "custom", silent: true, z: 1, encode: { x: 0, y: [1, 2] },
            data: bars.map((cell) => [trainedOf(cell), meanOf(cell) - deviationOf(cell), meanOf(cell) + deviationOf(cell), names.indexOf(cell.method)]),
            renderItem: (params, api) => {
              const [x, bottom] = api.coord([api.value(0), api.value(1)]);
              const top = api.coord([api.value(0), api.value(2)])[1];
              const stroke = palette()[api.value(3) % palette().length];
              return { type: "group", children: [[x, bottom, x, top], [x - 4, bottom, x + 4, bottom], [x - 4, top, x + 4, top]].map(([x1, y1, x2, y2]) => ({ type: "line", shape: { x1, y1, x2, y2 }, style: { stroke, lineWidth: 1.5 } })) };
            },
          },
        ],
      }))];
  }

  function costOfCells(cells, name, mean) {
    const phases = ["select", "train"].filter((phase) => cells.some((cell) => mean(cell, (m) => m.phases?.[phase]) > 0));
    if (phases.length === 0) return null;
    const all = (cell) => phases.reduce((sum, phase) => sum + (mean(cell, (m) => m.phases?.[phase]) || 0), 0);
    return h("div", {}, h("h3", {}, "Cost"),
      phaseBars(`Seconds by method and budget: ${cells.map((cell) => `${name(cell)} ${seconds(all(cell))}`).join(", ")}.`, "seconds, mean over the seeds",
        cells.map(name), phases, (row, phase) => mean(cells[row], (m) => m.phases?.[phase])));
  }

  function comparison() {
    const c = data.comparison;
    if (!c) return;
    const mean = (cell, pointer) => {
      const values = Object.values(cell.seeds).map((m) => pointer(m)).filter(Number.isFinite);
      return values.length ? values.reduce((a, b) => a + b, 0) / values.length : NaN;
    };
    const budget = (b) => b === null ? "any" : b < 1 ? percent(b, 2) : `k = ${b}`;
    const name = (cell) => cell.method + (cell.budget === null ? "" : ` at ${budget(cell.budget)}`);
    const key = c.measure || "accuracy";
    const measure = MEASURES[key];
    const meanOf = (cell) => cell[key + "_mean"];
    const value = (cell) => measure.text(meanOf(cell)) + (cell[key + "_sd"] === null ? "" : ` ± ${measure.share ? (100 * cell[key + "_sd"]).toFixed(2) : measure.text(cell[key + "_sd"])}`);
    const columns = SHOWN.filter((one) => !/^top5|^loss|^tuned_micro|^hamming/.test(one) && one !== key);
    const notes = [...new Set(c.cells.map((cell) => cell.note).filter(Boolean))];
    const sorted = [...c.cells].sort((a, b) => (key === "rmse" ? -1 : 1) * (meanOf(b) - meanOf(a)));
    const spread = (cell) => {
      const all = Object.values(cell.seeds).map((m) => m[key]).filter(Number.isFinite);
      return [Math.min(...all), Math.max(...all)];
    };
    const least = Math.min(...c.cells.map((cell) => spread(cell)[0]));
    const seeds = [...new Set(c.cells.flatMap((cell) => Object.keys(cell.seeds)))];
    const parts = [...notes.map((note) => h("p", { class: "warn" }, `${MEANINGS} are ${note}.`)),
      h("p", {}, `${c.cells.length} cells, seeds ${seeds.join(", ")}. Points are single seeds, marks their means.`),
      chart(`${measure.title} by method and budget, best first: ${sorted.slice(0, 4).map((cell) => `${name(cell)} ${value(cell)}`).join(", ")}.`, 60 + 28 * sorted.length, (narrow) => ({
        grid: { top: 8, bottom: 36, right: 20 },
        xAxis: { type: "value", name: small(measure.title), min: measure.share ? Math.max(0, Math.floor(20 * least) / 20) : null, scale: true, axisLabel: { formatter: measure.share ? (v) => percent(v, 0) : compact } },
        yAxis: { type: "category", inverse: true, data: sorted.map(name), axisLabel: { interval: 0, formatter: (t) => short(t, narrow ? 20 : 30) }, splitLine: { show: true } },
        tooltip: { formatter: (p) => tip(name(sorted[p.value[1]]), p.seriesName === "mean" ? value(sorted[p.value[1]]) : `seed ${p.value[2]}: ${measure.text(p.value[0])}`) },
        series: [
          { name: "seed", type: "scatter", symbolSize: 8, itemStyle: { opacity: 0.55 }, data: sorted.flatMap((cell, i) => Object.entries(cell.seeds).map(([seed, m]) => [m[key], i, seed])) },
          { name: "mean", type: "scatter", symbol: "diamond", symbolSize: 15, data: sorted.map((cell, i) => [meanOf(cell), i]) },
        ],
      })),
      table("Means over the seeds", [["Method", "text"], ["Seeds"], [measure.title], ...columns.map((one) => [titleOf(one)]), ["Trained, no head"], ["Share of the backbone"], ["Delta"], ["Select"], ["Train"], ["A step"], ["Sent a step"], ["Live memory"], ["Learning rate"]],
        c.cells.map((cell) => [name(cell), whole(Object.keys(cell.seeds).length), value(cell), ...columns.map((one) => MEASURES[one].text(mean(cell, (m) => m[one]))), whole(mean(cell, (m) => m.trained_without_head)), percent(mean(cell, (m) => m.share_without_head), 3),
          bytes(mean(cell, (m) => m.delta_bytes)), seconds(mean(cell, (m) => m.phases?.select)), seconds(mean(cell, (m) => m.phases?.train)), milliseconds(mean(cell, (m) => m.seconds_per_step)),
          bytes(mean(cell, (m) => m.bytes_per_step)), bytes(mean(cell, (m) => m.live_memory_bytes)), Number.isFinite(mean(cell, (m) => m.learning_rate)) ? mean(cell, (m) => m.learning_rate).toExponential(1) : "–"]))];
    parts.push(...againstParameters(c.cells, measure, { meanOf, name, value, deviationOf: (cell) => cell[key + "_sd"], trainedOf: (cell) => mean(cell, (m) => m.trained_without_head) }), costOfCells(c.cells, name, mean));
    section("comparison", "Comparison", ...parts);
    for (const [at, s] of Object.entries(c.selections || {})) {
      const matrices = Object.entries(s.slices).map(([matrix, count]) => {
        const dots = matrix.replace(".weight", "").split(".");
        const inBlock = dots[0] === "blocks";
        return { name: matrix, block: inBlock ? dots[1] : "-", kind: inBlock ? dots.slice(2).join(".") : dots[0], picks: count };
      });
      const picks = byPlace(matrices, (m) => m.picks);
      const rowsOfBlocks = picks.blocks.map(blockName);
      const stable = [["jaccard_between_seeds", "between seeds"], ["jaccard_between_halves", "between halves of the training images"]]
        .filter(([key]) => Number.isFinite(s[key])).map(([key, text]) => `${fixed(s[key], 3)} ${text}`);
      section("selections-" + at.replace(/\W+/g, "-"), `What GRFT selected, budget ${at}`,
        stable.length ? h("p", {}, `How much selections agree (Jaccard, 1: the same slices): ${stable.join(", ")}.`) : null,
        heat("Selected slices by encoder block and kind of matrix, mean over the seeds.", picks.kinds, rowsOfBlocks, picks.cells, {
          label: (v) => compact(v), yName: "encoder block", square: 30, tooltip: (v) => [`${picks.kinds[v[0]]}, block ${rowsOfBlocks[v[1]]}`, `${compact(v[2])} slices`],
        }),
        numbers("Numbers", table("Slices of each matrix, mean over the seeds", [["Matrix", "text"], ["Slices"]], matrices.map((m) => [m.name, compact(m.picks)]))));
    }
  }

  function provenance() {
    const m = data.manifest;
    const rows = [
      ...Object.entries(m.versions || {}).map(([key, version]) => [`Version of ${key}`, version]),
      ["Commit of the run", m.commit], ["Seed", m.seed], ["Spark application", m.application_id],
      ["Digest of the training images", m.data_digest], ["SHA-256 of the pretrained file", m.pretrained_sha256],
    ].filter(([, value]) => value !== undefined && value !== null).map(([key, value]) => [key, String(value)]);
    section("provenance", "Where it comes from",
      rows.length ? table(data.comparison ? "Of the first run" : "Of the run", [["", "text"], ["", "text any"]], rows) : h("p", {}, "There is no manifest.json yet."),
      m.settings ? numbers("All settings", h("pre", { tabindex: 0 }, JSON.stringify(m.settings, null, 2))) : null);
    page.append(h("footer", {}, `GRFT on Spark ${data.version}, report by commit ${data.commit}. Charts: Apache ECharts ${echarts.version}, Apache License 2.0.`));
  }

  page.replaceChildren();
  head();
  const contents = h("nav", { "aria-label": "Contents" });
  page.append(contents);
  for (const part of [comparison, results, dataSet, training, rates, evaluation, selection, cost, provenance]) part();
  for (const title of page.querySelectorAll("h2")) contents.append(h("a", { href: "#" + title.parentElement.id }, title.textContent));
  drawAll();
  for (const entry of charts) observer.observe(entry.box);
  document.documentElement.dataset.drawn = charts.length;
})();

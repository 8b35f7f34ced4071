"use strict";
(() => {
  // Charts that show their values, and filters by day, channel and kind of visitor. Every chart
  // takes the place of a picture, which is printed, and stays if this fails.
  const data = JSON.parse(document.getElementById("live-data").textContent);
  const { Plotting, ColumnDataSource, HoverTool, FactorRange, Range1d } = Bokeh;
  const DAY = 86400000;
  const times = data.days.map((day) => Date.parse(day + "T00:00:00Z"));
  const orange = "#D55E00";
  const WEEK = 7;
  const figures = [];
  const painted = [];

  const whole = (n) => n.toLocaleString("en-US");
  const money = (cents) =>
    (cents / 100).toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 })
    + " " + data.currency;
  const percent = (share) => (share === null ? "–" : (share * 100).toFixed(1) + " %");

  // --- the look ----------------------------------------------------------------------------------
  const colour = (name) =>
    getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const paint = (renderer, ...properties) => {
    for (const property of properties) painted.push([renderer.glyph, ...property.split(":")]);
    return renderer;
  };
  const dress = (figure) => {
    for (const [glyph, property, name] of painted) glyph[property] = { value: colour(name) };
    const [ink, grey, line] = [colour("--ink"), colour("--grey"), colour("--line")];
    figure.background_fill_alpha = 0;
    figure.border_fill_alpha = 0;
    figure.outline_line_color = null;
    for (const axis of [figure.xaxis, figure.yaxis].flat()) {
      axis.axis_line_color = line;
      axis.major_tick_line_color = null;
      axis.minor_tick_line_color = null;
      axis.major_label_text_color = ink;
      axis.major_label_text_font_size = "13px";
      axis.axis_label_text_color = grey;
      axis.axis_label_text_font_style = "normal";
    }
    for (const grid of [figure.xgrid, figure.ygrid].flat()) grid.grid_line_color = line;
  };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => figures.forEach(dress));

  // --- placing -----------------------------------------------------------------------------------
  const title = (place, text) => { place.querySelector(".live-title").textContent = text; };
  const put = (name, options, fill) => {
    const place = document.querySelector(`figure[data-live="${name}"]`);
    if (!place) return null;
    const caption = document.createElement("figcaption");
    caption.className = "live-title";
    const box = document.createElement("div");
    box.className = "live";
    box.append(caption);
    place.prepend(box);
    const figure = Plotting.figure({
      sizing_mode: "stretch_width", height: 260, toolbar_location: null, tools: [], ...options,
    });
    fill(figure);
    dress(figure);
    figures.push(figure);
    Plotting.show(figure, box);
    place.classList.add("on");
    return place;
  };

  // --- what is chosen ----------------------------------------------------------------------------
  const byId = (id) => document.getElementById(id);
  const form = byId("filters");
  const from = byId("filter-from"), to = byId("filter-to");
  const channel = byId("filter-channel"), visitors = byId("filter-visitors");
  const first = data.days[0], last = data.days[data.days.length - 1];
  const start = data.days[data.start];
  const option = (value, text) => new Option(text, value);
  channel.append(option("", "all"), ...data.channels.map((name, n) => option(n, name)));
  visitors.append(option("", "all"), option("1", "new"), option("0", "returning"));
  const reset = () => {
    for (const input of [from, to]) { input.min = first; input.max = last; }
    from.value = start;
    to.value = last;
    channel.value = visitors.value = "";
  };

  const chosen = () => {
    const since = from.value || first, until = to.value || last;
    const days = data.days.map((day) => day >= since && day <= until);
    const earliest = Math.max(days.indexOf(true) - WEEK, 0);
    const daily = data.days.map(() => [0, 0, 0, 0, 0]);
    const channels = data.channels.map(() => [0, 0, 0, 0, 0]);
    for (const [day, of, is_new, ...values] of data.rows) {
      if (day < earliest || day > days.lastIndexOf(true)) continue;
      if (channel.value !== "" && Number(channel.value) !== of) continue;
      if (visitors.value !== "" && Number(visitors.value) !== is_new) continue;
      values.forEach((value, n) => {
        daily[day][n] += value;
        if (days[day]) channels[of][n] += value;
      });
    }
    return { days, daily, channels };
  };

  // --- the charts of days ------------------------------------------------------------------------
  const SESSIONS = 0, CONVERTING = 2, ORDERS = 3, REVENUE = 4;
  const lines = {
    revenue: {
      value: (row) => row[REVENUE] / 100, write: (v) => (Number.isNaN(v) ? "–" : money(Math.round(v * 100))),
      total: (sum) => `Revenue: ${money(sum[REVENUE])}`,
    },
    sessions: {
      value: (row) => row[SESSIONS], write: (v) => (Number.isNaN(v) ? "–" : whole(Math.round(v * 10) / 10)), total: (sum) => `Sessions: ${whole(sum[SESSIONS])}`,
    },
    conversion: {
      ratio: true,
      value: (row) => (row[SESSIONS] ? (row[CONVERTING] / row[SESSIONS]) * 100 : NaN),
      write: (v) => (Number.isNaN(v) ? "–" : v.toFixed(1) + " %"),
      total: (sum) =>
        `Conversion rate: ${percent(sum[SESSIONS] ? sum[CONVERTING] / sum[SESSIONS] : null)} of sessions`,
    },
  };
  for (const [name, line] of Object.entries(lines)) {
    line.source = new ColumnDataSource({ data: { time: [], value: [], mean: [], shown: [], mean_shown: [], day: [], note: [] } });
    line.odd = new ColumnDataSource({ data: { time: [], value: [] } });
    line.place = put(name, { x_axis_type: "datetime" }, (figure) => {
      const at = { x: { field: "time" }, y: { field: "value" } };
      paint(figure.line(at.x, at.y, { source: line.source, line_width: 1.2 }), "line_color:--pale");
      paint(figure.line(at.x, { field: "mean" }, { source: line.source, line_width: 2.4 }),
        "line_color:--mark");
      const dots = paint(
        figure.scatter(at.x, at.y, { source: line.source, size: 6, line_color: null }),
        "fill_color:--pale");
      figure.scatter(at.x, at.y, {
        source: line.odd, size: 11, fill_color: null, line_color: orange, line_width: 2.5,
      });
      figure.add_tools(new HoverTool({
        renderers: [dots], mode: "vline", point_policy: "snap_to_data", line_policy: "nearest",
        tooltips: [["day", "@day"], [name, "@shown"], ["7 days", "@mean_shown"], ["", "@note"]],
      }));
    });
  }
  // The sums of the seven days to a day; none where one of them is not over or not there.
  const week = (daily, n) => {
    const none = [NaN, NaN, NaN, NaN, NaN];
    const days = data.complete.slice(n - WEEK + 1, n + 1);
    if (n < WEEK - 1 || days.includes(0)) return none;
    return daily.slice(n - WEEK + 1, n + 1).reduce((a, b) => a.map((value, k) => value + b[k]));
  };
  const drawDays = ({ days, daily }, filtered) => {
    const at = data.days.map((_, n) => n).filter((n) => days[n]);
    const sum = [0, 0, 0, 0, 0];
    at.forEach((n) => daily[n].forEach((value, k) => { sum[k] += value; }));
    for (const [name, line] of Object.entries(lines)) {
      if (!line.place) continue;
      const values = at.map((n) => line.value(daily[n]));
      const odd = filtered ? [] : at.filter((n) => data.unusual[name].includes(n));
      const notes = at.map((n) => [
        data.complete[n] ? "" : "not over", data.settled[n] ? "" : "not settled",
        odd.includes(n) ? "unusual for its weekday" : "",
      ].filter(Boolean).join(", "));
      const means = at.map((n) => line.value(week(daily, n)) / (line.ratio ? 1 : WEEK));
      line.source.data = {
        time: at.map((n) => times[n]), value: values, shown: values.map(line.write),
        mean: means, mean_shown: means.map(line.write),
        day: at.map((n) => data.days[n]), note: notes,
      };
      line.odd.data = { time: odd.map((n) => times[n]), value: odd.map((n) => line.value(daily[n])) };
      const circled = odd.length ? " (circled: unusual for its weekday)" : "";
      title(line.place, line.total(sum) + circled);
    }
    return sum;
  };

  // --- the chart of channels ---------------------------------------------------------------------
  const bars = new ColumnDataSource({ data: { name: [], sessions: [], shown: [], orders: [], money: [] } });
  const factors = new FactorRange({ factors: [...data.channels].reverse() });
  let barsFigure = null;
  const barsPlace = put(
    "channels",
    { y_range: factors, height: 70 + 26 * data.channels.length, x_range: new Range1d({ start: 0, end: 1 }) },
    (figure) => {
      const drawn = paint(figure.hbar({ y: { field: "name" }, right: { field: "sessions" }, left: 0,
        height: 0.7, source: bars, line_color: null }), "fill_color:--mark");
      paint(figure.text({ field: "sessions" }, { field: "name" }, { field: "shown" }, {
        source: bars, x_offset: 5, text_baseline: "middle", text_font_size: "12px",
      }), "text_color:--ink");
      figure.xaxis.axis_label = "Sessions";
      figure.add_tools(new HoverTool({ renderers: [drawn], tooltips: [
        ["channel", "@name"], ["sessions", "@shown"], ["orders", "@orders"], ["revenue", "@money"],
      ] }));
      barsFigure = figure;
    },
  );
  const drawChannels = ({ channels }) => {
    if (!barsPlace) return;
    const order = channels.map((row, n) => n)
      .filter((n) => channels[n][SESSIONS] || channels[n][ORDERS])
      .sort((a, b) => channels[a][SESSIONS] - channels[b][SESSIONS] || b - a);
    factors.factors = order.map((n) => data.channels[n]);
    bars.data = {
      name: order.map((n) => data.channels[n]),
      sessions: order.map((n) => channels[n][SESSIONS]),
      shown: order.map((n) => whole(channels[n][SESSIONS])),
      orders: order.map((n) => whole(channels[n][ORDERS])),
      money: order.map((n) => money(channels[n][REVENUE])),
    };
    barsFigure.x_range.end = Math.max(1, ...bars.data.sessions) * 1.15;
    const best = order[order.length - 1];
    title(barsPlace, best === undefined ? "No sessions in these days"
      : `${data.channels[best]} brings the most sessions: ${whole(channels[best][SESSIONS])}`);
  };

  // --- charts without filters ----------------------------------------------------------------------
  if (data.funnel.length && data.funnel[0][1]) {
    const names = data.funnel.map(([step]) => step);
    const place = put("funnel", { y_range: new FactorRange({ factors: [...names].reverse() }), height: 220,
      x_range: new Range1d({ start: 0, end: data.funnel[0][1] * 1.3 }) },
      (figure) => {
        const source = new ColumnDataSource({ data: {
          step: names, persons: data.funnel.map((row) => row[1]),
          shown: data.funnel.map((row) => whole(row[1])), share: data.funnel.map((row) => row[2]),
          text: data.funnel.map((row, n) => whole(row[1]) + (n ? ` (${row[2]})` : "")),
        } });
        const drawn = paint(figure.hbar({ y: { field: "step" }, right: { field: "persons" }, left: 0,
          height: 0.65, source, line_color: null }), "fill_color:--mark");
        paint(figure.text({ field: "persons" }, { field: "step" }, { field: "text" }, {
          source, x_offset: 5, text_baseline: "middle", text_font_size: "12px",
        }), "text_color:--ink");
        figure.xaxis.axis_label = "Persons";
        figure.add_tools(new HoverTool({ renderers: [drawn], tooltips: [
          ["step", "@step"], ["persons", "@shown"], ["of the step before", "@share"],
        ] }));
      });
    const [top, bottom] = [data.funnel[0], data.funnel[data.funnel.length - 1]];
    if (place) title(place, `Of ${whole(top[1])} people who viewed a product, ${whole(bottom[1])} ordered within the window (${percent(bottom[1] / top[1])})`);
  }
  if (data.retention.length) {
    const named = (row) => row[0] + (row[4] ? "" : " *");
    const cohorts = [...new Set(data.retention.map(named))].sort().reverse();
    const weeks = [...new Set(data.retention.map(([, week]) => String(week)))]
      .sort((a, b) => a - b);
    const most = Math.max(...data.retention.map(([, , all, back]) => back / all), 0.01);
    const place = put("retention", {
      x_range: new FactorRange({ factors: weeks }), y_range: new FactorRange({ factors: cohorts }),
      height: 90 + 28 * cohorts.length,
    }, (figure) => {
      const source = new ColumnDataSource({ data: {
        cohort: data.retention.map(named), week: data.retention.map((row) => String(row[1])),
        all: data.retention.map((row) => whole(row[2])), back: data.retention.map((row) => whole(row[3])),
        share: data.retention.map((row) => percent(row[3] / row[2])),
        depth: data.retention.map((row) => 0.05 + 0.5 * (row[3] / row[2]) / most),
        text: data.retention.map((row) => Math.round((row[3] / row[2]) * 100) + " %"),
        note: data.retention.map((row) => (row[4] ? "" : "not settled")),
      } });
      const drawn = paint(figure.rect({ field: "week" }, { field: "cohort" }, 0.96, 0.92,
        { source, fill_alpha: { field: "depth" }, line_color: null }), "fill_color:--mark");
      paint(figure.text({ field: "week" }, { field: "cohort" }, { field: "text" }, {
        source, text_align: "center", text_baseline: "middle", text_font_size: "12px",
      }), "text_color:--ink");
      figure.xaxis.axis_label = "Weeks since the first event";
      figure.xgrid.visible = figure.ygrid.visible = false;
      figure.add_tools(new HoverTool({ renderers: [drawn], tooltips: [
        ["week of the first event", "@cohort"], ["weeks since", "@week"], ["new people", "@all"],
        ["came back", "@back"], ["share", "@share"], ["", "@note"],
      ] }));
    });
    if (place) title(place, "Share of each week's new people who came back, by week (*: not settled)");
  }

  // --- and when something is chosen ----------------------------------------------------------------
  const draw = () => {
    const found = chosen();
    const sum = drawDays(found, channel.value !== "" || visitors.value !== "");
    drawChannels(found);
    byId("filter-totals").textContent =
      `${whole(sum[SESSIONS])} sessions, ${whole(sum[ORDERS])} orders, ${money(sum[REVENUE])}, `
      + `conversion rate ${percent(sum[SESSIONS] ? sum[CONVERTING] / sum[SESSIONS] : null)}`;
  };
  reset();
  form.addEventListener("input", draw);
  form.addEventListener("reset", (event) => { event.preventDefault(); reset(); draw(); });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.hidden = false;
  draw();
})();

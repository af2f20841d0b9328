// The live feed and the hourly chart. Everything else on the page works without this file.
(function () {
  "use strict";

  var MAX_PENDING = 200;

  function element(name, text) {
    var node = document.createElement(name);
    if (text !== undefined) node.textContent = text;
    return node;
  }

  function link(href, text) {
    var node = element("a", text);
    node.href = href;
    return node;
  }

  function setUpFeed() {
    var box = document.getElementById("live-table");
    var body = box.querySelector("tbody");
    var bar = document.getElementById("live-bar");
    var state = document.getElementById("live-state");
    var button = document.getElementById("live-pause");
    var words = JSON.parse(document.getElementById("live-words").textContent);
    var language = box.dataset.language;
    var limit = Number(box.dataset.limit);
    var from = Number(box.dataset.from);
    var paused = false;
    var pending = [];
    var source = null;
    var day = new Intl.DateTimeFormat(language + "-CA", { timeZone: "UTC", day: "numeric", month: "short" });
    var number = new Intl.NumberFormat(language + "-CA");

    function say(word) {
      state.textContent = words[word];
      state.dataset.state = word;
    }

    function what(entry) {
      if (entry.type) {
        var name = entry.type.replace(/^ca\.passerelle\./, "").replace(/\.v[0-9]+$/, "");
        return words.types[name] || name;
      }
      var family = words.families[entry.family] || entry.family;
      return entry.visibility === "party" ? words.partyEvent.replace("%s", family) : family;
    }

    function about(entry) {
      if (!entry.subject) {
        var node = element("span", entry.visibility === "party" ? words.party : words.none);
        node.className = "note";
        return node;
      }
      var text = entry.title || entry.subject;
      if (/\.achievement-/.test(entry.type)) return link("/" + language + "/achievements/" + entry.subject, text);
      if (entry.family === "member") return link("/" + language + "/members/" + entry.subject, text);
      return document.createTextNode(text);
    }

    function cell(name, content) {
      var node = element("td");
      node.className = "e-" + name;
      node.setAttribute("role", "cell");
      node.append(content);
      return node;
    }

    function row(entry) {
      var line = element("tr");
      line.className = "fresh";
      line.setAttribute("role", "row");
      var head = element("th");
      head.scope = "row";
      head.className = "e-index";
      head.setAttribute("role", "rowheader");
      head.append(link("/" + language + "/ledger/" + entry.index, number.format(entry.index)));
      var iso = new Date(entry.accepted_at).toISOString();
      var time = element("time", day.format(new Date(entry.accepted_at)) + ", " + iso.slice(11, 16));
      time.dateTime = iso;
      var good = entry.outcome === "accepted";
      var chip = element("span", good ? words.accepted : words.refused + " (" + entry.code + ")");
      chip.className = "chip " + (good ? "chip-good" : "chip-bad");
      line.append(
        head, cell("when", time),
        cell("member", link("/" + language + "/members/" + entry.member, words.members[entry.member] || entry.member)),
        cell("what", what(entry)), cell("about", about(entry)), cell("outcome", chip)
      );
      return line;
    }

    function show(entry) {
      body.prepend(row(entry));
      while (body.rows.length > limit) body.deleteRow(body.rows.length - 1);
    }

    function connect() {
      say("connecting");
      source = new EventSource("/feed?from=" + from);
      source.addEventListener("hello", function () { say(paused ? "paused" : "connected"); });
      source.addEventListener("entry", function (event) {
        var entry = JSON.parse(event.data);
        from = entry.index + 1;
        if (!paused) return show(entry);
        pending.push(entry);
        // What is not shown is not kept for ever: the page of the ledger has it.
        if (pending.length > MAX_PENDING) pending.shift();
      });
      source.addEventListener("resume", function (event) {
        // The server ended the stream and says where to go on; the browser connects again by itself with Last-Event-ID.
        from = JSON.parse(event.data).from;
        say("lost");
      });
      source.onerror = function () {
        say("lost");
        if (source.readyState !== EventSource.CLOSED) return;
        // A refusal (too many readers, a restart) ends the browser's own attempts: try again, later.
        setTimeout(connect, 10000);
      };
    }

    button.addEventListener("click", function () {
      paused = !paused;
      button.setAttribute("aria-pressed", String(paused));
      button.textContent = paused ? words.go : words.pause;
      say(paused ? "paused" : "connected");
      if (!paused) pending.splice(0).forEach(show);
    });
    bar.hidden = false;
    connect();
    window.addEventListener("pagehide", function () { source.close(); });
  }

  function setUpChart() {
    var box = document.getElementById("chart");
    var value = document.getElementById("chart-value");
    var language = document.documentElement.lang + "-CA";
    var hour = new Intl.DateTimeFormat(language, {
      timeZone: "UTC", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23"
    });
    var number = new Intl.NumberFormat(language);
    var plot = null;
    var data = null;

    function color(name) {
      return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
    }

    function describe(u) {
      var at = u.cursor.idx;
      value.textContent = at === null || at === undefined ? "" :
        hour.format(new Date(data.hours[at])) + " UTC: " + box.dataset.accepted + " " + number.format(data.accepted[at]) +
        ", " + box.dataset.refused + " " + number.format(data.refused[at]);
    }

    function draw() {
      if (plot) plot.destroy();
      var bars = uPlot.paths.bars({ size: [0.7, 40] });
      var axis = { stroke: color("--ink-soft"), grid: { stroke: color("--line"), width: 1 }, ticks: { stroke: color("--line") } };
      var totals = data.accepted.map(function (count, at) { return count + data.refused[at]; });
      plot = new uPlot({
        width: box.clientWidth,
        height: 240,
        legend: { show: false },
        cursor: { y: false, drag: { setScale: false } },
        tzDate: function (seconds) { return uPlot.tzDate(new Date(seconds * 1000), "UTC"); },
        scales: { y: { range: function (u, least, most) { return [0, Math.max(4, most * 1.1)]; } } },
        axes: [
          Object.assign({}, axis, { values: function (u, marks) { return marks.map(function (mark) {
            return hour.format(new Date(mark * 1000)); }); }, space: 110 }),
          Object.assign({}, axis, { size: 60, values: function (u, marks) { return marks.map(function (mark) {
            return Number.isInteger(mark) ? number.format(mark) : ""; }); } })
        ],
        series: [
          {},
          { fill: color("--bad"), width: 0, paths: bars, points: { show: false } },
          { fill: color("--accent"), width: 0, paths: bars, points: { show: false } }
        ],
        hooks: { setCursor: [describe] }
      }, [data.hours.map(function (text) { return Date.parse(text) / 1000; }), totals, data.accepted], box);
    }

    fetch(box.dataset.source).then(function (answer) {
      if (!answer.ok) throw new Error(String(answer.status));
      return answer.json();
    }).then(function (found) {
      data = found;
      draw();
      var waiting = 0;
      new ResizeObserver(function () {
        cancelAnimationFrame(waiting);
        waiting = requestAnimationFrame(function () {
          if (plot && plot.width !== box.clientWidth) plot.setSize({ width: box.clientWidth, height: 240 });
        });
      }).observe(box);
      window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
    }).catch(function () {
      box.textContent = box.dataset.failed;
      box.classList.add("chart-failed");
    });
  }

  setUpFeed();
  setUpChart();
})();

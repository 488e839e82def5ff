// Brings the console's pages to life. Everything also works without it: pages reload, forms post.
(() => {
  "use strict";
  const body = document.body;
  const log = document.querySelector(".log");
  const main = document.getElementById("main");

  // Times in the reader's own zone.
  const today = new Intl.DateTimeFormat(document.documentElement.lang, { timeStyle: "short" });
  const older = new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: "medium", timeStyle: "short" });
  function localize(root) {
    for (const time of root.querySelectorAll("time[datetime]")) {
      const at = new Date(time.dateTime);
      if (time.dataset.local || Number.isNaN(at.getTime())) continue;
      time.title = time.textContent;
      time.textContent = (at.toDateString() === new Date().toDateString() ? today : older).format(at);
      time.dataset.local = "1";
    }
  }

  function alertWith(text, kind) {
    const box = document.getElementById("alerts");
    box.textContent = text;
    box.className = kind;
    clearTimeout(alertWith.timer);
    alertWith.timer = setTimeout(() => { box.textContent = ""; }, 8000);
  }

  async function piece(path) {
    const answer = await fetch(path, { headers: { Accept: "text/html" } });
    if (!answer.ok) return null;
    return new DOMParser().parseFromString(await answer.text(), "text/html");
  }

  const nearEnd = () => window.innerHeight + window.scrollY > document.body.scrollHeight - 160;
  const toEnd = () => window.scrollTo({ top: document.body.scrollHeight });
  // Whether somebody is filling in a form in there, also one that they have left for a moment: what they typed is not
  // taken away.
  const FIELDS = "input:not([type=hidden]), textarea, select";
  const changed = (field) => field.matches("select")
    ? [...field.options].some((each) => each.selected !== each.defaultSelected)
    : field.value !== field.defaultValue;
  const busy = (element) => {
    const active = document.activeElement;
    if (element.contains(active) && active.matches(FIELDS)) return true;
    const open = [...element.querySelectorAll("details[open]")].filter((each) => each.querySelector("form"));
    return open.some((each) => each.contains(active) || [...each.querySelectorAll(FIELDS)].some(changed));
  };

  // One card at a time, so that changes arrive in their order; a card that changes twice is fetched once.
  const due = new Map();
  let working = false;
  async function work() {
    if (working) return;
    working = true;
    for (let next; (next = due.entries().next().value);) {
      const [id, place] = next;
      due.delete(id);
      await bring(id, place).catch(() => {});
    }
    working = false;
  }

  async function bring(id, place) {
    const shown = document.getElementById("m-" + id);
    // A press in between: replaced now, the button would never hear of its end.
    const held = () => shown && (shown.matches(":active") || busy(shown));
    const again = () => { setTimeout(() => { due.set(id, place); work(); }, 200); };
    if (held()) return again();
    const belongs = log && log.dataset.channel === place.channel && log.dataset.thread === (place.thread || "");
    if (!shown && !belongs) return;
    const fresh = (await piece("/m/" + encodeURIComponent(id) + "/card"))?.querySelector("article");
    if (!fresh) return;
    localize(fresh);
    const follow = nearEnd();
    if (shown) {
      if (held()) return again();
      const focused = shown.contains(document.activeElement) && document.activeElement;
      shown.replaceWith(fresh);
      if (focused) {
        // Who goes by keyboard stays on the button they were on, if it is still there.
        const same = [...fresh.querySelectorAll("button")].find((button) => focused.value && button.value === focused.value);
        (same || fresh).focus({ preventScroll: true });
      }
    } else {
      const shownNow = [...log.querySelectorAll("article")];
      const after = (each) => Number(each.dataset.seq) > Number(fresh.dataset.seq);
      // What is older than the whole page is no news, however lately it was edited.
      if (shownNow.length && after(shownNow[0])) return;
      log.querySelector(".empty")?.remove();
      log.insertBefore(fresh, shownNow.find(after) || null);
    }
    if (follow) toEnd();
  }

  // What waits for me, and pages that are made anew as a whole.
  const later = (run, wait) => { let timer; return () => { clearTimeout(timer); timer = setTimeout(run, wait); }; };
  const refreshWaiting = later(async () => {
    const section = document.getElementById("waiting");
    const fresh = section && await piece("/waiting");
    if (!fresh) return;
    localize(fresh);
    if (section.textContent.replace(/\s+/g, "") !== fresh.body.textContent.replace(/\s+/g, "")) {
      section.replaceChildren(...fresh.body.childNodes);
    }
  }, 300);
  const refreshMain = later(async () => {
    if (busy(main)) return refreshMain();
    const open = new Set([...main.querySelectorAll("details")].flatMap((each, at) => (each.open ? [at] : [])));
    const fresh = (await piece(location.href))?.getElementById("main");
    if (!fresh) return;
    localize(fresh);
    fresh.querySelectorAll("details").forEach((each, at) => { each.open = open.has(at); });
    main.replaceChildren(...fresh.childNodes);
  }, 500);

  // How many incidents are open, beside the link to them.
  const refreshCount = later(async () => {
    const link = document.querySelector(".side a[href='/incidents']");
    const fresh = (await piece(location.href))?.querySelector(".side a[href='/incidents']");
    if (fresh && fresh.textContent !== link.textContent) link.replaceChildren(...fresh.childNodes);
  }, 1000);

  function heard(card) {
    due.set(card.id, card.place);
    if (card.thread) due.set(card.thread, { channel: card.place.channel, thread: null });
    work();
    refreshWaiting();
    if (["open", "acknowledged", "resolved"].includes(card.state)) refreshCount();
    if (main.hasAttribute("data-refresh")) refreshMain();
    // An answer to me alone, in a thread that is not on this page: said here, too.
    if (card.whisper && card.thread && log?.dataset.thread !== card.thread) alertWith(card.title, "ask");
    if (log && log.dataset.channel === card.place.channel) return;
    for (const link of document.querySelectorAll("[data-channel-link]")) {
      if (link.dataset.channelLink === card.place.channel && !link.querySelector(".news")) {
        const mark = document.createElement("span");
        mark.className = "news";
        mark.textContent = body.dataset.news;
        link.append(" ", mark);
      }
    }
  }

  function listen() {
    const connection = document.getElementById("connection");
    const stream = new EventSource("/api/v1/events?after=" + encodeURIComponent(body.dataset.after));
    let lost;
    stream.addEventListener("open", () => { clearTimeout(lost); connection.textContent = body.dataset.live; connection.dataset.state = "live"; });
    const say = (text) => { connection.textContent = text; connection.dataset.state = "lost"; };
    stream.addEventListener("error", async () => {
      clearTimeout(lost);
      lost = setTimeout(say, 4000, body.dataset.lost);
      // The browser tries again by itself only where nothing answered; where anything else did, it has given up.
      if (stream.readyState !== EventSource.CLOSED) return;
      const me = await fetch("/api/v1/me").catch(() => null);
      if (me?.status === 401) { clearTimeout(lost); say(body.dataset.ended); return; }
      setTimeout(() => { clearTimeout(lost); listen(); }, 3000 + 2000 * Math.random());
    });
    stream.addEventListener("card", (event) => {
      body.dataset.after = event.lastEventId;
      try { heard(JSON.parse(event.data)); } catch { /* the next one will do */ }
    });
  }

  // Forms are sent without leaving the page; the answer arrives as a card.
  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (!form.hasAttribute("data-live")) return;
    event.preventDefault();
    if (form.dataset.sending) return;
    form.dataset.sending = "1";
    const values = new URLSearchParams(new FormData(form, event.submitter));
    try {
      const answer = await fetch(form.action, {
        method: "POST", body: values, redirect: "manual", headers: { Accept: "application/json" },
      });
      if (answer.type === "opaqueredirect") {
        form.elements.key.value = crypto.randomUUID ? crypto.randomUUID() : String(Math.random()).slice(2);
        if (form.hasAttribute("data-clears")) { form.reset(); form.elements.text.value = ""; }
        const details = form.closest("details");
        if (details) { details.open = false; form.closest("article")?.focus({ preventScroll: true }); }
      } else {
        const problem = await answer.json();
        alertWith(problem.error.message + " " + problem.error.hint, "bad");
      }
    } catch {
      alertWith(body.dataset.failed, "bad");
    }
    delete form.dataset.sending;
  });

  document.addEventListener("keydown", (event) => {
    const composer = document.getElementById("composer");
    if (event.key === "/" && composer && !event.ctrlKey && !event.metaKey && !event.altKey
        && !event.target.matches("input, textarea, select, [contenteditable]")) {
      event.preventDefault();
      composer.focus();
      if (!composer.value) composer.value = "/ops ";
    }
    if (event.key === "Escape" && event.target === composer) composer.blur();
  });

  localize(document);
  if (log && !location.hash.startsWith("#m-")) toEnd();
  listen();
})();

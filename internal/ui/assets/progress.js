// Keeps what is marked data-live="on" as the server says, and shows the whole page anew when that is over. Without this module a link does the same.
const live = document.querySelector('[data-live="on"]')

async function follow() {
  try {
    const answer = await fetch(location.href)
    const now = new DOMParser().parseFromString(await answer.text(), 'text/html').querySelector('[data-live="on"]')
    if (!answer.ok || !now) return location.reload()
    live.replaceChildren(...now.childNodes)
  } catch {
    // The server is away for a moment.
  }
  setTimeout(follow, 1000)
}

if (live) setTimeout(follow, 500)

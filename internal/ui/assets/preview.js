// Refreshes the preview of a form while it is typed, as its button does.
const form = document.querySelector("form[data-preview]")
const button = form?.querySelector("button[formtarget]")
let timer

form?.addEventListener("input", () => {
	clearTimeout(timer)
	timer = setTimeout(() => {
		// A new frame each time: what is sent to one that is there already would be a step of the browser's history.
		const frame = document.querySelector(`iframe[name="${button.formTarget}"]`)
		const fresh = frame.cloneNode()
		fresh.removeAttribute("src")
		frame.replaceWith(fresh)
		form.requestSubmit(button)
	}, 400)
})

// Buttons that copy the text before them. They are to be seen where the browser can do that.
for (const button of document.querySelectorAll("button[data-copy]")) {
	if (!navigator.clipboard) break // without TLS
	button.addEventListener("click", async () => {
		await navigator.clipboard.writeText(button.previousElementSibling.textContent)
		button.textContent = "Copied"
	})
	button.dataset.copy = "ready"
}

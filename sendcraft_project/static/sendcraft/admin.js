// Copy buttons: data-copy names the field whose text they take, data-copied what they say then.
document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) {
        return;
    }
    const field = document.getElementById(button.dataset.copy);
    try {
        await navigator.clipboard.writeText(field.value);
    } catch {
        // Browsers keep the clipboard from pages without TLS; the selection may still be copied.
        field.select();
        document.execCommand("copy");
    }
    const label = button.textContent;
    button.textContent = button.dataset.copied;
    setTimeout(() => {
        button.textContent = label;
    }, 2000);
});

// The preview's HTML goes by POST into its sandboxed frame, so that it is kept nowhere.
for (const form of document.querySelectorAll("form[data-into-frame]")) {
    form.submit();
}

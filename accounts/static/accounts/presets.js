// A chosen provider fills in its servers; everything can still be changed.
document.addEventListener("change", (event) => {
    if (event.target.id !== "preset") {
        return;
    }
    const presets = JSON.parse(document.getElementById("presets").textContent);
    const chosen = presets[event.target.value];
    if (!chosen) {
        return;
    }
    const address = document.querySelector("[name=email_address]");
    const domain = address ? address.value.split("@").pop() : event.target.dataset.domain;
    for (const [name, value] of Object.entries(chosen)) {
        const field = document.querySelector(`[name=${name}]`);
        if (!field) {
            continue;
        }
        if (field.type === "checkbox") {
            field.checked = value;
        } else {
            field.value = String(value).replace("{domain}", domain || "");
        }
    }
    const user = document.querySelector("[name=smtp_username]");
    if (user && !user.value && address) {
        user.value = address.value;
    }
    document.getElementById("preset-hint").textContent = chosen.hint;
});

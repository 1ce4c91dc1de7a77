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

// What the theme leaves to a mouse, or without a name, is put right in each part that is shown.
const CLICKED_ONLY = "[x-on\\:click]:not(a[href], button, input, select, label, summary, [tabindex])";

function putRight(part) {
    for (const one of part.querySelectorAll(CLICKED_ONLY)) {
        if (one.textContent.trim()) {
            one.tabIndex = 0;
            one.role = "button";
            one.dataset.pressed = "";
        }
    }
    for (const one of part.querySelectorAll(".related-widget-wrapper [data-pressed]")) {
        const field = one.closest(".related-widget-wrapper").querySelector("select, input");
        one.ariaLabel = field?.labels[0]?.firstChild.textContent.trim() ?? "…";
        one.ariaHasPopup = "menu";
    }
    for (const one of part.querySelectorAll("#searchbar-submit")) {
        one.ariaLabel = one.form.querySelector("#searchbar").placeholder;
    }
    // The icons are letters of a font, which would be read out.
    for (const one of part.querySelectorAll(".material-symbols-outlined:not([aria-hidden])")) {
        const around = one.closest("a, button, [role=button]");
        const isNamed = !around || around.title || around.ariaLabel;
        if (isNamed || around.textContent.trim() !== one.textContent.trim()) {
            one.ariaHidden = "true";
        }
    }
    // On a phone each cell says its column, as the heads of the columns would.
    const heads = [...part.querySelectorAll("#result_list thead th")];
    for (const row of heads.length ? part.querySelectorAll("#result_list .data-row") : []) {
        [...row.cells].forEach((cell, index) => {
            const text = heads[index]?.querySelector(".text")?.textContent.trim();
            if (text && !cell.querySelector(".action-select")) {
                cell.dataset.label = text;
            }
        });
    }
    // The fields that search as one types stand in front of a select, whose label they don't take.
    for (const one of part.querySelectorAll(".select2-selection[aria-labelledby]")) {
        const label = one.closest(".select2").parentElement.querySelector("select").labels[0];
        const value = one.querySelector(".select2-selection__rendered");
        if (label && value) {
            label.id ||= `${value.id}-label`;
            one.setAttribute("aria-labelledby", `${label.id} ${value.id}`);
            value.setAttribute("aria-labelledby", label.id);
        }
    }
}

document.addEventListener("keydown", (event) => {
    if (event.target.dataset?.pressed === "" && ["Enter", " "].includes(event.key)) {
        event.preventDefault();
        event.target.click();
    }
});
// After the theme's own load handlers, which make the fields that search.
window.addEventListener("load", () => setTimeout(() => putRight(document)));
document.addEventListener("htmx:load", (event) => putRight(event.target));
document.addEventListener("formset:added", (event) => putRight(event.target));

// The connection's buttons use what is stored: while the form differs from it, they ask first.
{
    const entered = () => {
        const form = document.getElementById("emailaccount_form");
        return new URLSearchParams(new FormData(form)).toString();
    };
    let atFirst = "";

    document.addEventListener("DOMContentLoaded", () => {
        if (document.querySelector(".account-parts")) {
            atFirst = entered();
        }
    });

    document.addEventListener(
        "submit",
        (event) => {
            const parts = event.target.closest(".account-parts");
            if (!parts || (!("returned" in parts.dataset) && entered() === atFirst)) {
                return;
            }
            if (!window.confirm(parts.dataset.unsaved)) {
                event.preventDefault();
                event.stopImmediatePropagation();
            }
        },
        true,
    );
}

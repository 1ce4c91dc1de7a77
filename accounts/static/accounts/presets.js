// A chosen provider fills in its servers; everything can still be changed.
{
    // What stood in each field that a provider filled and that nobody touched since.
    const before = new Map();

    const fieldNamed = (name) => document.querySelector(`[name=${name}]`);
    const key = (field) => (field.type === "checkbox" ? "checked" : "value");

    const chosenPreset = () => {
        const presets = JSON.parse(document.getElementById("presets").textContent);
        return presets[document.getElementById("preset").value];
    };

    const domainOf = (address) => {
        if (!address) {
            return document.getElementById("preset").dataset.domain;
        }
        return address.value.includes("@") ? address.value.split("@").pop() : "";
    };

    const placed = (value, domain) => {
        if (typeof value !== "string" || !value.includes("{domain}")) {
            return value;
        }
        return domain ? value.replace("{domain}", domain) : "";
    };

    const valuesOf = (preset) => {
        const { hint, ...values } = preset;
        const [address, user] = [fieldNamed("email_address"), fieldNamed("smtp_username")];
        const domain = domainOf(address);
        const found = Object.entries(values).map(([name, value]) => [name, placed(value, domain)]);
        if (address && user && (!user.value || before.has("smtp_username"))) {
            found.push(["smtp_username", address.value]);
        }
        return found.filter(([name]) => fieldNamed(name));
    };

    const fill = (name, value) => {
        const field = fieldNamed(name);
        if (!before.has(name)) {
            before.set(name, field[key(field)]);
        }
        field[key(field)] = value;
    };

    const giveBack = () => {
        for (const [name, value] of before) {
            const field = fieldNamed(name);
            field[key(field)] = value;
        }
        before.clear();
    };

    document.addEventListener("change", (event) => {
        if (event.target.id !== "preset") {
            return;
        }
        const preset = chosenPreset();
        document.getElementById("preset-hint").textContent = preset ? preset.hint : "";
        if (!preset) {
            giveBack();
            return;
        }
        valuesOf(preset).forEach(([name, value]) => fill(name, value));
    });

    document.addEventListener("input", (event) => {
        before.delete(event.target.name);
        if (event.target.name !== "email_address" || !before.size) {
            return;
        }
        valuesOf(chosenPreset())
            .filter(([name]) => before.has(name))
            .forEach(([name, value]) => fill(name, value));
    });
}

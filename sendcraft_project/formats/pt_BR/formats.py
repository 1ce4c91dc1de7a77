"""The month by its short name, where Django writes “30 de Novembro de 2026 às 13:25”."""

DATE_FORMAT = "j M Y"
DATETIME_FORMAT = "j M Y, H:i"

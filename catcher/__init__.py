"""The built-in mail catcher: every mail sent to it is kept, none goes further."""

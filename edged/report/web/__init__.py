"""The status page: one HTML document without any part from elsewhere. Imported when somebody first asks for it."""

"""Where the rows of an app's inputs come from: a file that is rotated, an HTTP endpoint, an MQTT topic."""

"""What ``edged report`` makes of the past: numbers, a verdict, and how they look. Pure; the daemon never imports it."""

"""What facts come to by minute and by hour, how that is stored, and what can be advised from it. Pure."""

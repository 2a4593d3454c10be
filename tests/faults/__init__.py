"""Random faults, in any overlap, against a real daemon on a real engine and broker: ``scripts/fault-schedules``."""

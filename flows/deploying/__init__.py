"""Deploying: what the Prefect server runs for people: deployments, workers, automations."""

"""Run the rooms: the `photochrom` command, the Prefect flows, and the account of every stage."""

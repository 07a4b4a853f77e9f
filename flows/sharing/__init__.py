"""Sharing: releases, what changed between two, checks of every byte, and exports."""

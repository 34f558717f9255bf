"""Detections to tracks, pictures and warnings: pure, no socket, no file, no clock, no chance."""

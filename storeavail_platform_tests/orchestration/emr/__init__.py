"""Tests of steps on EMR clusters."""

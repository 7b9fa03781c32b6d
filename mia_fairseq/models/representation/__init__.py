"""Fusions that shape what each modality's vectors hold, by losses, gates or routing."""

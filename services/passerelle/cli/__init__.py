"""The command line: wiring only. One module an area, loaded when its command is called."""

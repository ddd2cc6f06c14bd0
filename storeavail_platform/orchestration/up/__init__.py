"""`storeavail up`: code server, daemon, webserver and pages of one configuration as one tree of
processes.

    gate        what a web page of somebody else may not ask of the webserver
    web         the process behind the one address: webserver, pages, health, all behind the gate
    supervisor  starts the processes, looks after them, ends them
    child       a program that is kept running
    starter     starts runs within a second; how it is asked says `starting`
    reload      has the code server load a changed configuration
    guard       has a process, and all that it starts, end with the one that started it
    holder      one tree a warehouse
    listening   the port, taken before anything starts
    health      whether all of it is well, in words
    unit        the systemd unit that runs it for good
"""

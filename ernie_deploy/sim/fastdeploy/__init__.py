"""A FastDeploy that is not one: its command line, processes, logs, ports and answers, without engine, card or model.

What it does is transcribed from the fact sheet of FastDeploy 2.3.0 to 2.5.0 and the newest source; nothing was recorded
from a running one. Answers are those of the rehearsal grammar. Everything it says names itself simulated.
"""

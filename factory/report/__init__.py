"""What people look at: the funnel, the progress of a run, why a record is there or gone, the report page.

Works from a run's folder alone, and from anything shaped like a run's progress; knows neither the engine nor
any capability.
"""

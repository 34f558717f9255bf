"""Pictures of the world for people (matplotlib, the extra ``view``): coverage, scenario, session.

What is drawn is computed in modules that know no matplotlib (`footprint`, `flown`, `observed`), so that it
can be checked as numbers; `style` holds every ink and writes the files.
"""

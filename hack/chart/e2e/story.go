package main

import "time"

// story is the suite in its order. Each step builds on those before it.
func (s *suite) story() []step {
	steps := []step{
		{"remove what an earlier run left", 3 * time.Minute, (*suite).prepare},
		{"install from nothing, with no values", 3 * time.Minute, (*suite).install},
		{"helm test", 3 * time.Minute, (*suite).test},
		{"an Application in another namespace, its app posts, its events are read back", 2 * time.Minute, (*suite).firstEvents},
		{"2,000 events a second", 2 * time.Minute, (*suite).heavy},
		{"rotation: the old credential and the new one are valid, then only the new one", 3 * time.Minute, (*suite).rotation},
		{"suspension: 403 within a second, and back", time.Minute, (*suite).suspension},
		{"deletion: 401 within a second, and the Secret goes", time.Minute, (*suite).deletion},
	}
	for _, component := range []string{"ingest", "auth", "persistence", "operator", "redis", "postgres"} {
		steps = append(steps, step{"kill " + component + " (SIGKILL, all its pods at once) under load", 2 * time.Minute, killing(component)})
	}
	for _, component := range []string{"ingest", "auth", "persistence", "operator", "redis", "postgres"} {
		steps = append(steps, step{"delete all pods of " + component + " under load", 2 * time.Minute, deleting(component)})
	}
	steps = append(steps,
		step{"restart every Deployment under load", 3 * time.Minute, (*suite).restart},
		step{"helm upgrade to the same version under load changes nothing", 2 * time.Minute, (*suite).again},
		step{"uninstall leaves what the notes say", 3 * time.Minute, (*suite).uninstall},
		step{"install again: the same client ids and data", 3 * time.Minute, (*suite).reinstall},
	)
	if s.options.from != "" {
		steps = append(steps,
			step{"remove everything", 3 * time.Minute, (*suite).cleanUp},
			step{"install the preceding version", 3 * time.Minute, (*suite).installPreceding},
			step{"upgrade under load", 4 * time.Minute, (*suite).upgrade},
		)
	}
	return s.chosen(steps)
}

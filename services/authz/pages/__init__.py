"""The pages a person sees: templates, one stylesheet, no script. Owns their looks and words; decides nothing."""

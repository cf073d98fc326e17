-- Runs of jobs of every kind, where there were training jobs only.
ALTER TABLE training_run RENAME TO job_run;
ALTER TABLE job_run ADD COLUMN kind TEXT NOT NULL DEFAULT 'training-job';  -- of the resource
DROP INDEX training_run_by_state;
DROP INDEX training_run_by_job;
CREATE INDEX job_run_by_state ON job_run (state, id);
CREATE INDEX job_run_by_job ON job_run (account, region, kind, job_name, attempt);

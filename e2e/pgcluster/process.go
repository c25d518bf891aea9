//go:build unix

package pgcluster

func (p *process) pid() int { return p.command.Process.Pid }
func (p *process) wait()    { <-p.exited }

func (p *process) ended() bool {
	select {
	case <-p.exited:
		return true
	default:
		return false
	}
}

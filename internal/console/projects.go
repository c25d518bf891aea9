package console

import (
	"github.com/doorward/doorward/internal/auth"
)

func projectsPages() []page {
	return []page{
		{path: "", room: roomProjects, show: (*visit).projects},
		{path: "/projects", room: roomProjects, entry: true, show: (*visit).projects},
	}
}

// projectsOnPage is how many projects one page of the list has.
const projectsOnPage = 50

// projectList is what the list of projects shows.
type projectList struct {
	Projects []auth.Project
	Next     string // the path of the next page, or ""
	First    bool
}

// projects lists the instance's projects by their ids.
func (v *visit) projects() error {
	after := v.query("after")
	found, err := v.Admin.ListProjects(v.r.Context(), v.caller, auth.ProjectID(after), projectsOnPage+1)
	if err != nil {
		return err
	}
	list := projectList{Projects: found, First: after == ""}
	if len(found) > projectsOnPage {
		list.Projects = found[:projectsOnPage]
		list.Next = v.path("projects") + "?after=" + string(list.Projects[projectsOnPage-1].ID)
	}
	return v.render("projects", "Projects", list)
}

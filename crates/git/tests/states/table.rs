//! The states: a name, and what makes it. Each begins in an empty folder `work`.

pub(crate) const STATES: &[(&str, &str)] = &[
    // No repository, no commit, no worktree.
    ("not a repository", "mkdir web"),
    ("no commit", "start"),
    ("no commit, with files", "start; mkdir web; echo 1 > web/a"),
    ("no commit, with staged files", "start; echo 1 > a; git add a"),
    ("a bare repository", "git init -q --bare"),
    ("below the folder of git", "start; commit one; mkdir -p .git/below"),
    // What is checked out.
    ("one commit", "base"),
    ("two commits", "base; echo 4 > c; commit two"),
    ("an empty commit", "start; commit one"),
    ("a detached head", "base; commit two; git checkout -q HEAD~1"),
    ("a branch with slashes", "base; git checkout -q -b feature/x/y; commit two"),
    ("an orphan branch", "base; git checkout -q --orphan new"),
    ("packed refs", "base; git tag v1; git pack-refs --all"),
    ("packed objects", "base; commit two; git gc -q"),
    (
        "a commit graph",
        "base; commit two; git commit-graph write --reachable; git config core.commitGraph true",
    ),
    (
        "a merge",
        "base; git checkout -q -b side; echo 1 > side; commit side; git checkout -q main; echo 5 > c; commit two; tick; git merge -q side -m merge",
    ),
    (
        "a shallow clone",
        "start ../other; (cd ../other; echo 1 > a; commit one; git tag v1; commit two; commit three); git clone -q --depth 1 \"file://$PWD/../other\" .",
    ),
    (
        "a shallow clone with its tag",
        "start ../other; (cd ../other; echo 1 > a; commit one; commit two; git tag v1); git clone -q --depth 1 \"file://$PWD/../other\" .",
    ),
    (
        "a shallow clone of three",
        "start ../other; (cd ../other; commit one; git tag v1; commit two; commit three; commit four); git clone -q --depth 3 \"file://$PWD/../other\" .",
    ),
    (
        "borrowed objects",
        "start ../other; (cd ../other; echo 1 > a; commit one); git clone -q --shared ../other .",
    ),
    (
        "a linked worktree",
        "start ../other; cd ../other; mkdir web; echo 1 > web/a; commit one; rmdir ../work; git worktree add -q ../work -b side; cd ../work; echo 2 > web/b",
    ),
    (
        "a linked worktree of a bare repository",
        "start ../other; (cd ../other; echo 1 > a; commit one); git clone -q --bare ../other ../bare.git; rmdir ../work; git -C ../bare.git worktree add -q \"$PWD/../work\" main",
    ),
    (
        "a separate folder for git",
        "git init -q -b main --separate-git-dir ../elsewhere .; mkdir web; echo 1 > web/a; commit one; echo 2 > web/a",
    ),
    ("a long abbreviation by configuration", "base; git config core.abbrev 12; git tag v1; commit two"),
    ("no abbreviation by configuration", "base; git config core.abbrev no"),
    ("a replaced commit", "base; commit two; git replace HEAD HEAD~1"),
    // Tags.
    ("a light tag", "base; git tag v1"),
    ("an annotated tag", "base; tick; git tag -a v1 -m v1"),
    ("a light and an annotated tag", "base; git tag v2; tick; git tag -a v1 -m v1"),
    ("two light tags", "base; git tag b; git tag a"),
    ("two annotated tags", "base; tick; git tag -a b -m b; tick; git tag -a a -m a"),
    ("two annotated tags, the other way", "base; tick; git tag -a a -m a; tick; git tag -a b -m b"),
    ("two annotated tags of one moment", "base; tick; git tag -a b -m b; git tag -a a -m a"),
    ("a tag of a tag", "base; tick; git tag -a v1 -m v1; tick; git tag -a v2 -m v2 v1"),
    ("a tag with slashes", "base; git tag release/1.0; commit two"),
    ("a tag of a blob", "base; git tag blob HEAD:c"),
    ("a tag of a tree", "base; git tag tree HEAD^{tree}"),
    ("commits since a tag", "base; git tag v1; commit two; commit three"),
    ("commits since an annotated tag", "base; tick; git tag -a v1 -m v1; commit two"),
    ("a nearer light tag", "base; tick; git tag -a v1 -m v1; commit two; git tag v2; commit three"),
    (
        "tags on both sides of a merge",
        "base; git tag v1; git checkout -q -b side; echo 1 > side; commit side; git tag s1; commit side2; git checkout -q main; echo 5 > c; commit two; git tag v2; tick; git merge -q side -m merge; commit after",
    ),
    (
        "a tag on the side only",
        "base; git checkout -q -b side; commit side; git tag s1; commit side2; git checkout -q main; commit two; tick; git merge -q side -m merge",
    ),
    (
        "more tags than candidates",
        "start; for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14; do commit $i; git tag v$i; done; commit last",
    ),
    (
        "many branches merged",
        "base; for i in 1 2 3 4; do git checkout -q -b b$i main; commit b$i; git tag t$i; commit c$i; git checkout -q main; commit m$i; tick; git merge -q b$i -m merge$i; done; commit end",
    ),
    ("a tag ahead", "base; commit two; git tag v2; git checkout -q HEAD~1"),
    ("a tag that is called like a commit", "base; git tag $(git rev-parse --short HEAD)"),
    (
        "a tag of something unusual in its name",
        "base; git tag 'v1+é~'  2>/dev/null || git tag 'v1+é'; commit two",
    ),
    // What is not committed.
    ("a changed file", "base; echo 9 > web/src/a"),
    (
        "a file changed to the same size at the same time",
        "base; touch -d @1700000000 web/src/a; git add -A; echo 7 > web/src/a; touch -d @1700000000 web/src/a",
    ),
    ("a touched file", "base; touch -d @1500000000 web/src/a"),
    ("a staged file", "base; echo 9 > web/src/a; git add -A"),
    ("staged and changed back", "base; echo 9 > web/src/a; git add -A; echo 1 > web/src/a"),
    ("staged and changed again", "base; echo 9 > web/src/a; git add -A; echo 8 > web/src/a"),
    ("a removed file", "base; rm web/src/a"),
    ("a removed folder", "base; rm -r web/src"),
    ("a file removed from the index", "base; git rm -q --cached web/src/a"),
    ("a file removed everywhere", "base; git rm -q web/src/a"),
    ("an untracked file", "base; echo 1 > web/new"),
    ("an untracked folder", "base; mkdir -p web/new/deep; echo 1 > web/new/deep/a"),
    ("an empty folder", "base; mkdir -p web/new/deep"),
    ("a file that is going to be added", "base; echo 1 > web/new; git add -N web/new"),
    ("a renamed file", "base; git mv web/src/a api/a"),
    ("a renamed file, not staged", "base; mv web/src/a api/a"),
    ("an executable bit", "base; chmod +x web/src/a"),
    ("an executable bit that does not count", "base; git config core.fileMode false; chmod +x web/src/a"),
    ("a link", "base; ln -s a web/link; commit two"),
    ("a changed link", "base; ln -s a web/link; commit two; ln -sf b web/link"),
    ("a file that became a link", "base; rm c; ln -s api/b c"),
    (
        "a file that became a folder",
        "start; echo 1 > became-a-folder; commit one; rm became-a-folder; mkdir became-a-folder; echo 1 > became-a-folder/d",
    ),
    ("a folder that became a file", "base; rm -r api; echo 1 > api"),
    ("a folder that became a link", "base; mv api ../api; ln -s ../api api"),
    ("a link to a folder, tracked", "base; ln -s web link; commit two; echo 1 > web/new"),
    ("a broken link", "base; ln -s nowhere web/link"),
    ("a fifo", "base; mkfifo web/pipe"),
    (
        "a conflict",
        "base; git checkout -q -b side; echo 1 > c; commit side; git checkout -q main; echo 2 > c; commit two; git merge -q side || true",
    ),
    (
        "a conflict about a removal",
        "base; git checkout -q -b side; git rm -q api/b; commit side; git checkout -q main; echo 7 > api/b; commit two; git merge -q side || true",
    ),
    (
        "in the middle of a rebase",
        "base; git checkout -q -b side; echo 1 > c; commit side; git checkout -q main; echo 2 > c; commit two; git rebase -q side || true",
    ),
    ("something stashed", "base; echo 9 > c; tick; git stash -q"),
    ("assumed unchanged", "base; git update-index --assume-unchanged c; echo 9 > c"),
    ("skipped in the worktree", "base; git update-index --skip-worktree c; echo 9 > c"),
    ("an index of version 4", "base; git update-index --index-version 4; echo 9 > api/b"),
    ("a split index", "base; git update-index --split-index; echo 9 > api/b; git add api/b"),
    ("a sparse checkout", "base; git sparse-checkout set --no-cone /web"),
    ("a sparse checkout by folders", "base; git sparse-checkout set --cone web; echo 9 > web/src/a"),
    ("names that look alike", "base; mkdir web-2 web2; echo 1 > web-2/a; commit two; echo 1 > web2/b"),
    (
        "names in other letters",
        "start; mkdir 'ünï cödé' ' a b'; echo 1 > 'ünï cödé/é'; echo 1 > ' a b/x'; commit one; echo 2 > 'ünï cödé/é'",
    ),
    // Line ends and attributes.
    (
        "line ends that are normalised",
        "start; printf '* text=auto\\n' > .gitattributes; printf 'a\\r\\nb\\r\\n' > a; commit one; touch -d @1500000000 a",
    ),
    (
        "line ends that are converted",
        "start; git config core.autocrlf true; printf 'a\\nb\\n' > a; commit one 2>/dev/null; rm a; git checkout -q a; touch -d @1500000000 a",
    ),
    (
        "an attribute that keeps line ends",
        "start; printf '*.bin -text\\n' > .gitattributes; printf 'a\\r\\n' > a.bin; commit one; touch -d @1500000000 a.bin",
    ),
    (
        "an encoding of the worktree",
        "start; printf '*.txt working-tree-encoding=UTF-16LE\\n' > .gitattributes; printf 'a\\0b\\0' > a.txt; commit one; touch -d @1500000000 a.txt",
    ),
    (
        "an ident",
        "start; printf '*.c ident\\n' > .gitattributes; printf '$Id$\\n' > a.c; commit one; rm a.c; git checkout -q a.c; touch -d @1500000000 a.c",
    ),
    // What is ignored.
    ("ignored files", "base; echo '*.log' > .gitignore; commit two; echo 1 > web/a.log"),
    (
        "an ignored folder",
        "base; echo 'target/' > .gitignore; commit two; mkdir -p web/target; echo 1 > web/target/a",
    ),
    (
        "a tracked file in an ignored folder",
        "base; mkdir target; echo 1 > target/a; commit two; echo target > .gitignore; commit three; echo 2 > target/a; echo 3 > target/b",
    ),
    (
        "rules in folders",
        "base; echo '!keep.log' > web/.gitignore; echo '*.log' > .gitignore; commit two; echo 1 > web/keep.log; echo 1 > api/keep.log",
    ),
    ("rules that are not committed", "base; echo '*.log' > .gitignore; echo 1 > a.log"),
    ("rules of the clone", "base; echo '*.log' > .git/info/exclude; echo 1 > web/a.log; echo 1 > api/a.txt"),
    (
        "rules of the user",
        "printf '[core]\\n\\texcludesFile = ~/rules\\n' > ~/.gitconfig; echo '*.log' > ~/rules; base; echo 1 > web/a.log",
    ),
    (
        "rules of the user in the usual place",
        "mkdir -p ~/.config/git; echo '*.log' > ~/.config/git/ignore; base; echo 1 > web/a.log",
    ),
    (
        "rules that contradict",
        "base; printf '/web/*\\n!/web/src\\n' > .gitignore; commit two; echo 1 > web/x; echo 1 > web/src/y",
    ),
    (
        "untracked files do not count",
        "base; git config status.showUntrackedFiles no; echo 1 > web/new; echo 9 > api/b",
    ),
    (
        "untracked files count all",
        "base; git config status.showUntrackedFiles all; mkdir web/new; echo 1 > web/new/a",
    ),
    (
        "an included configuration",
        "base; git config include.path ../extra; git config -f extra status.showUntrackedFiles no; commit two; echo 1 > web/new",
    ),
    // Repositories in repositories.
    (
        "another repository that holds nothing",
        "base; git init -q sub; (cd sub; git commit -q --allow-empty -m two)",
    ),
    (
        "another repository with ignored files alone",
        "base; echo '*.log' > .gitignore; commit two; git init -q sub; (cd sub; git commit -q --allow-empty -m two; echo 1 > a.log)",
    ),
    ("assumed to be unchanged", "base; git update-index --assume-unchanged c; echo 9 > c"),
    ("not in the worktree on purpose", "base; git update-index --skip-worktree c; rm c"),
    ("to be added", "base; echo 1 > d; git add -N d"),
    (
        "a submodule",
        "start ../other; (cd ../other; mkdir in; echo 1 > in/a; commit one; git tag o1); base; git -c protocol.file.allow=always submodule -q add \"$PWD/../other\" lib; commit two",
    ),
    (
        "a submodule with another commit",
        "start ../other; (cd ../other; echo 1 > a; commit one); base; git -c protocol.file.allow=always submodule -q add \"$PWD/../other\" lib; commit two; (cd lib; echo 2 > a; commit three)",
    ),
    (
        "a submodule with changes",
        "start ../other; (cd ../other; echo 1 > a; commit one); base; git -c protocol.file.allow=always submodule -q add \"$PWD/../other\" lib; commit two; echo 2 > lib/a",
    ),
    (
        "a submodule with an untracked file",
        "start ../other; (cd ../other; echo 1 > a; commit one); base; git -c protocol.file.allow=always submodule -q add \"$PWD/../other\" lib; commit two; echo 2 > lib/b",
    ),
    (
        "a submodule whose changes are ignored",
        "start ../other; (cd ../other; echo 1 > a; commit one); base; git -c protocol.file.allow=always submodule -q add \"$PWD/../other\" lib; git config -f .gitmodules submodule.lib.ignore all; commit two; echo 2 > lib/a",
    ),
    (
        "a submodule that is not there",
        "start ../other; (cd ../other; echo 1 > a; commit one); base; git -c protocol.file.allow=always submodule -q add \"$PWD/../other\" lib; commit two; git submodule -q deinit -f lib",
    ),
    ("a repository below, untracked", "base; start web/below; (cd web/below; echo 1 > a; commit one)"),
    ("a repository below without a commit", "base; start web/below; echo 1 > web/below/a"),
    (
        "a repository below, ignored",
        "base; echo below > .gitignore; commit two; start below; (cd below; echo 1 > a; commit one)",
    ),
];
